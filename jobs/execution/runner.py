"""The runner: run the action of a claimed job, verify its result and record the outcome."""

import logging
import secrets
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from itertools import count
from typing import Any, Final

from django.db import Error

from .. import conf
from ..actions import DEFAULT_BACKOFF, Action, find_action, max_attempts_of
from ..actors import Actor
from ..db import failpoints
from ..db.backoff import backoff
from ..db.connection import limited_transaction, reconnect, single_statement
from ..db.errors import ErrorKind, kind_of, takes_no_writes
from ..exceptions import JobCancelled, JobFailed, JobReleased, JobStopped, LeaseLost, RowsLeft
from ..lifecycle import transitions
from ..lifecycle.finished import send_job_finished
from ..lifecycle.isolation import driver_connection, is_connection_lost, no_transaction_left_open
from ..lifecycle.statements import Fence, TransitionResult
from ..models import Job
from ..status import Status
from .context import JobContext
from .leases import Lease

logger = logging.getLogger(__name__)

PASSES: Final = 5
LONGEST_BACKOFF: Final = timedelta(hours=1)
SHORT_WAIT: Final = timedelta(seconds=5)
ATTEMPTS_FORGIVEN: Final = 10
MAX_ERRORS_CHARACTERS: Final = 1_000
MAX_DETAIL_CHARACTERS: Final = 20_000

# Returns the fence of the worker's next job, which begins in the commit that ends the job before; None: there is none.
BeginNext = Callable[[], Fence | None]


class Outcome(Enum):
    """How an attempt ended."""

    COMPLETED = auto()
    FAILED = auto()
    RETRYING = auto()
    RELEASED = auto()
    CANCELLED = auto()
    LOST = auto()


# The status that an outcome leaves behind, of those that this worker records.
STATUS_AFTER: Final = {
    Outcome.COMPLETED: Status.COMPLETED,
    Outcome.FAILED: Status.FAILED,
    Outcome.RETRYING: Status.SCHEDULED,
    Outcome.RELEASED: Status.SCHEDULED,
}


@dataclass(frozen=True, kw_only=True)
class AttemptResult:
    """The outcome, and whether the worker's next job was begun in the same commit."""

    outcome: Outcome
    next_begun: bool = False


def run(job: Job, *, lease: Lease, worker: Actor, begin_next: BeginNext = lambda: None) -> AttemptResult:
    """Run a claimed and begun job and record the outcome; never raises what the action raised.

    ``begin_next`` is called at each try of the commit that ends the job, and must return the same each time.

    Raises:
        Error: the database is away, or the outcome could not be recorded for a whole lease: release the job.
    """
    action = find_action(job.action)
    attempt = _Attempt(job=job, lease=lease, worker=worker, action=action, connection=driver_connection())
    with _not_recorded_as_database_error():
        if action is None:
            return _count_failure(attempt, f"No action called {job.action} is known to the worker.")
        return _run_action(attempt, action, begin_next)


def lose_attempt(job: Job, *, lease: Lease, worker: Actor) -> AttemptResult:
    """Count a failure of an action that made no progress within its deadline; its thread can commit no more.

    Raises:
        Error: the outcome could not be recorded for a whole lease.
    """
    action = find_action(job.action)
    span = action.deadline.total_seconds() if action else 0
    logger.error("job=%s action=%s attempt=%s made no progress for %g s", job.pk, job.action, job.attempt, span)
    attempt = _Attempt(job=job, lease=lease, worker=worker, action=action, connection=None)
    with _not_recorded_as_database_error():
        return _count_failure(attempt, f"The job made no progress for {span:g} seconds.")


@dataclass(frozen=True, kw_only=True)
class _Attempt:
    """One attempt of one job by one worker; ``action`` is None where the worker knows none of that name."""

    job: Job
    lease: Lease
    worker: Actor
    action: Action | None
    # The driver's connection at the beginning; None where no action runs.
    connection: object

    @property
    def log_fields(self) -> tuple[int, str, int]:
        """Job, action and attempt, as in every log line; no reference, which may be an e-mail address."""
        return self.job.pk, self.job.action, self.job.attempt


def _run_action(attempt: _Attempt, action: Action, begin_next: BeginNext) -> AttemptResult:
    context = JobContext(attempt.job, lease=attempt.lease, databases=action.databases)
    try:
        return _run_passes(attempt, action, context, begin_next)
    except _NotRecorded:
        raise
    except BaseException as error:  # noqa: BLE001 – an action may raise anything, SystemExit too; all is recorded
        if context.stopped is not None:  # what it raised after that does not matter
            return _stopped(attempt, context.stopped)
        if isinstance(error, JobFailed):
            return _fail(attempt, error, begin_next)
        return _raised(attempt, error)


def _run_passes(attempt: _Attempt, action: Action, context: JobContext, begin_next: BeginNext) -> AttemptResult:
    """Run the action, and again while verifying finds rows that were added meanwhile."""
    for turn in range(PASSES):
        attempt.lease.note_progress()
        attempt.lease.deadline = action.deadline
        try:
            with no_transaction_left_open(), context.guarded():
                action.handler(context)
        finally:
            attempt.lease.deadline = None  # the statements that follow have timeouts of their own
        if context.stopped is not None:
            raise context.stopped
        try:
            return _complete(attempt, context, begin_next)
        except RowsLeft:
            if turn == PASSES - 1:
                raise
    raise AssertionError("unreachable")


def _complete(attempt: _Attempt, context: JobContext, begin_next: BeginNext) -> AttemptResult:
    fence, worker = attempt.lease.fence, attempt.worker

    def write() -> TransitionResult:
        if not context.has_verifications:
            with single_statement():
                return transitions.complete(fence, worker=worker, next_fence=begin_next())
        with limited_transaction():
            if not context.verify_and_record():
                # An earlier try may have committed without an answer: _resolve_result reads the row.
                return TransitionResult(won=False)
            failpoints.reach("finish.verified")
            # Taken only now: if rows are left, this job runs again, and the next one stays free for other threads.
            return transitions.complete(fence, worker=worker, next_fence=begin_next())

    failpoints.reach("finish.before")
    finish = _write_with_retries(write)
    failpoints.reach("finish.after")
    return _resolve_result(attempt, finish, Outcome.COMPLETED)


def _fail(attempt: _Attempt, failure: JobFailed, begin_next: BeginNext) -> AttemptResult:
    """End the job as its action asked: without a further attempt."""
    fence, errors = attempt.lease.fence, _storable(failure.message, MAX_ERRORS_CHARACTERS)
    facts: dict[str, Any] = {"errors": errors, "worker": attempt.worker}
    return _record(attempt, Outcome.FAILED, lambda: transitions.fail(fence, **facts, next_fence=begin_next()))


def _raised(attempt: _Attempt, error: BaseException) -> AttemptResult:
    """Record an attempt that ended by an exception: an outage or a conflict counts no failure."""
    if _is_forgiven(attempt, error):
        return _release(attempt, "The database was not available.", SHORT_WAIT)
    reference = secrets.token_hex(4)
    # Only the type is logged: the text may have personal data, as PostgreSQL quotes row values.
    kind = type(error).__qualname__
    logger.error("job=%s action=%s attempt=%s raised %s reference=%s", *attempt.log_fields, kind, reference)
    detail = _storable("".join(traceback.format_exception(error)), MAX_DETAIL_CHARACTERS)
    internal = f"The job failed for an internal reason (reference {reference})."
    return _count_failure(attempt, str(error) if isinstance(error, RowsLeft) else internal, detail)


def _is_forgiven(attempt: _Attempt, error: BaseException) -> bool:
    """Whether to count no failure: the jobs' database was away or met a conflict, and not too often for one job."""
    if not isinstance(error, Error):
        return False
    kind = kind_of(error)
    if kind is ErrorKind.CONFLICT:
        return attempt.job.attempt <= ATTEMPTS_FORGIVEN
    if kind is not ErrorKind.OUTAGE:
        return False
    if is_connection_lost(attempt.connection):
        return True
    # The connection works: the jobs' database takes no writes, or another database is away, which counts as a failure.
    # A job may have filled the disk itself, so only some attempts are forgiven. They suffice in an outage, because no
    # job can be claimed while writes fail.
    return takes_no_writes(error) and attempt.job.attempt <= ATTEMPTS_FORGIVEN


def _count_failure(attempt: _Attempt, errors: str, detail: str = "") -> AttemptResult:
    """Record a failed attempt: schedule the next one with back-off, or fail the job after the last."""
    fence, worker, failures = attempt.lease.fence, attempt.worker, attempt.job.failures
    base = DEFAULT_BACKOFF if attempt.action is None else attempt.action.backoff
    is_last = failures + 1 >= max_attempts_of(attempt.job.action)
    facts: dict[str, Any] = {"errors": errors, "worker": worker, "detail": detail}
    if is_last:
        return _record(attempt, Outcome.FAILED, lambda: transitions.fail(fence, **facts))
    wait = timedelta(seconds=backoff(failures, first=base.total_seconds(), longest=LONGEST_BACKOFF.total_seconds()))
    return _record(attempt, Outcome.RETRYING, lambda: transitions.retry_later(fence, wait=wait, **facts))


def _stopped(attempt: _Attempt, stop: JobStopped) -> AttemptResult:
    if isinstance(stop, JobReleased):
        return _release(attempt, "The worker shut down.", timedelta(0))
    if isinstance(stop, JobCancelled):
        logger.info("job=%s action=%s attempt=%s was cancelled while it ran", *attempt.log_fields)
        return AttemptResult(outcome=Outcome.CANCELLED)
    logger.warning("job=%s action=%s attempt=%s is no longer this worker's", *attempt.log_fields)
    return AttemptResult(outcome=Outcome.LOST)


def _release(attempt: _Attempt, note: str, wait: timedelta) -> AttemptResult:
    fence, worker = attempt.lease.fence, attempt.worker
    return _record(attempt, Outcome.RELEASED, lambda: transitions.release(fence, worker=worker, note=note, wait=wait))


def _record(attempt: _Attempt, outcome: Outcome, write: Callable[[], TransitionResult]) -> AttemptResult:
    """Write an outcome in a single statement."""

    def in_a_statement() -> TransitionResult:
        with single_statement():
            return write()

    return _resolve_result(attempt, _write_with_retries(in_a_statement), outcome)


class _NotRecorded(Exception):
    """The outcome could not be written; that is not the action's fault, so nothing is counted."""

    def __init__(self, error: Error) -> None:
        self.error = error


@contextmanager
def _not_recorded_as_database_error() -> Iterator[None]:
    """Raise the database's own error in place of ``_NotRecorded``: callers handle no other."""
    try:
        yield
    except _NotRecorded as unrecorded:
        raise unrecorded.error from unrecorded


def _write_with_retries(write: Callable[[], TransitionResult]) -> TransitionResult:
    """Write an outcome; after outages and conflicts try again for the length of a lease, guarded by the fence."""
    until = time.monotonic() + conf.current().lease_seconds
    for failures in count():
        try:
            return write()
        except Error as error:
            kind, wait = kind_of(error), backoff(failures, first=0.05)
            if kind is ErrorKind.OTHER or time.monotonic() + wait > until:
                raise _NotRecorded(error) from error
            if kind is ErrorKind.OUTAGE:
                reconnect()
            time.sleep(wait)
    raise AssertionError("unreachable")


def _resolve_result(attempt: _Attempt, finish: TransitionResult, outcome: Outcome) -> AttemptResult:
    """Return the result. If the write matched no row, the row says whether an earlier try has been committed."""
    status = STATUS_AFTER[outcome]
    row = None if finish.won else Job.objects.filter(pk=attempt.job.pk).values_list("status", "attempt").first()
    if finish.won:
        logger.info("job=%s action=%s attempt=%s %s", *attempt.log_fields, outcome.name.lower())
    if finish.won or row == (status, attempt.job.attempt):
        if status.is_final:
            send_job_finished(attempt.job.pk, status)
        return AttemptResult(outcome=outcome, next_begun=finish.won and finish.next_begun)
    stop = JobCancelled if row is not None and row[0] == Status.CANCELLED else LeaseLost
    return _stopped(attempt, stop(attempt.job.pk))


def _storable(text: str, length: int) -> str:
    """Return ``text`` as every database can store it: no NUL, no lone surrogates, not endless."""
    clean = text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
    return clean if len(clean) <= length else clean[: length - 1] + "…"
