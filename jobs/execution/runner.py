"""One job from claim to outcome: run its action, take the last look, record what became of it."""

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
from typing import Final

from django.db import Error

from .. import conf, failpoints
from ..actions import DEFAULT_BACKOFF, Action, find_action, max_attempts_of
from ..actors import Actor
from ..db.backoff import backoff
from ..db.connection import engine_statement, limited_transaction, reconnect
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


class Outcome(Enum):
    """What became of one attempt."""

    COMPLETED = auto()
    FAILED = auto()
    RETRYING = auto()
    RELEASED = auto()
    CANCELLED = auto()
    LOST = auto()


@dataclass(frozen=True, kw_only=True)
class AttemptResult:
    """The outcome, and whether the worker's next job was begun in the same commit."""

    outcome: Outcome
    next_begun: bool = False


def run(job: Job, *, lease: Lease, worker: Actor, then: Callable[[], Fence | None]) -> AttemptResult:
    """Run one claimed and begun job to its outcome, and record that; never raises what an action raised.

    ``then`` is asked, when the job is about to finish, for the next job to begin in the
    same commit; asked again, it must name the same one.

    Raises:
        Error: the database is away, or the outcome could not be recorded for a whole lease: give the job back.
    """
    attempt = _Attempt(
        job=job, lease=lease, worker=worker, action=find_action(job.action), connection=driver_connection()
    )
    with _given_up_as_database_errors():
        if attempt.action is None:
            return _count_failure(attempt, f"No action called {job.action} is known to the worker.")
        return _run_action(attempt, attempt.action, then)


def lose_attempt(job: Job, *, lease: Lease, worker: Actor) -> AttemptResult:
    """Take the attempt from an action that made no progress for its deadline; its thread can do no more harm.

    Raises:
        Error: the outcome could not be recorded for a whole lease.
    """
    action = find_action(job.action)
    span = action.deadline.total_seconds() if action else 0
    logger.error("job=%s action=%s attempt=%s made no progress for %g s", job.pk, job.action, job.attempt, span)
    attempt = _Attempt(job=job, lease=lease, worker=worker, action=action, connection=None)
    with _given_up_as_database_errors():
        return _count_failure(attempt, f"The job made no progress for {span:g} seconds.")


@dataclass(frozen=True, kw_only=True)
class _Attempt:
    """One attempt of one job by one worker; ``action`` is None where the worker knows none of that name."""

    job: Job
    lease: Lease
    worker: Actor
    action: Action | None
    # What the attempt began on; None where no action runs.
    connection: object

    @property
    def words(self) -> tuple[int, str, int]:
        """What every line of the log starts with; never a reference, which may be an e-mail address."""
        return self.job.pk, self.job.action, self.job.attempt


def _run_action(attempt: _Attempt, action: Action, then: Callable[[], Fence | None]) -> AttemptResult:
    context = JobContext(attempt.job, lease=attempt.lease, databases=action.databases)
    try:
        return _run_passes(attempt, action, context, then)
    except _NotRecorded:
        raise
    except BaseException as error:  # noqa: BLE001 – an action may raise anything, SystemExit too; all is recorded
        if context.stopped is not None:  # whatever it raised after its job was stopped
            return _stopped(attempt, context.stopped)
        if isinstance(error, JobFailed):
            return _fail(attempt, error, then)
        return _raised(attempt, error)


def _run_passes(
    attempt: _Attempt, action: Action, context: JobContext, then: Callable[[], Fence | None]
) -> AttemptResult:
    """Run the action, and again while its last look finds rows that others have added meanwhile."""
    for turn in range(PASSES):
        attempt.lease.note_progress()
        attempt.lease.deadline = action.deadline
        try:
            with no_transaction_left_open(), context.guarded():
                action.handler(context)
        finally:
            attempt.lease.deadline = None  # the action has ended; what follows has bounds of its own
        if context.stopped is not None:
            raise context.stopped
        try:
            return _complete(attempt, context, then)
        except RowsLeft:
            if turn == PASSES - 1:
                raise
    raise AssertionError("unreachable")


def _complete(attempt: _Attempt, context: JobContext, then: Callable[[], Fence | None]) -> AttemptResult:
    fence, worker = attempt.lease.fence, attempt.worker

    def write() -> TransitionResult:
        if not context.has_verifications:
            with engine_statement():
                return transitions.complete(fence, worker=worker, then=then())
        with limited_transaction():
            if not context.finish_verified():
                # Perhaps by ourselves, and the reply to that COMMIT was lost.
                return TransitionResult(won=False)
            failpoints.reach("finish.verified")
            # Only now: the next job must not wait here while this one runs again.
            return transitions.complete(fence, worker=worker, then=then())

    failpoints.reach("finish.before")
    finish = _persisted(write)
    failpoints.reach("finish.after")
    return _settled(attempt, finish, Outcome.COMPLETED, Status.COMPLETED)


def _fail(attempt: _Attempt, failure: JobFailed, then: Callable[[], Fence | None]) -> AttemptResult:
    """End the job as its action said: an answer, not an accident, so no further attempt."""
    errors = _storable(failure.message, MAX_ERRORS_CHARACTERS)

    def write() -> TransitionResult:
        with engine_statement():
            return transitions.fail(attempt.lease.fence, errors=errors, worker=attempt.worker, then=then())

    return _settled(attempt, _persisted(write), Outcome.FAILED, Status.FAILED)


def _raised(attempt: _Attempt, error: BaseException) -> AttemptResult:
    """Record an attempt that ended by an exception: an outage or a conflict is not the job's fault."""
    if _is_no_fault(attempt, error):
        return _release(attempt, "The database was not available.", SHORT_WAIT)
    reference = secrets.token_hex(4)
    # The exception's text may hold personal data (PostgreSQL names row values), so the log has its type alone.
    kind = type(error).__qualname__
    logger.error("job=%s action=%s attempt=%s raised %s reference=%s", *attempt.words, kind, reference)
    detail = _storable("".join(traceback.format_exception(error)), MAX_DETAIL_CHARACTERS)
    if isinstance(error, RowsLeft):
        return _count_failure(attempt, str(error), detail)
    return _count_failure(attempt, f"The job failed for an internal reason (reference {reference}).", detail)


def _is_no_fault(attempt: _Attempt, error: BaseException) -> bool:
    """Whether the jobs' own database was away, or others were in the way, and not too often for one job."""
    if not isinstance(error, Error):
        return False
    trouble = kind_of(error)
    if trouble is ErrorKind.CONFLICT:
        return attempt.job.attempt <= ATTEMPTS_FORGIVEN
    if trouble is not ErrorKind.OUTAGE:
        return False
    if is_connection_lost(attempt.connection):
        return True
    # Our connection still works: the database takes no writes just now, but perhaps for a disk that the job itself
    # fills. While nothing can be written nothing is claimed either, so few attempts are spent on a true outage.
    # Anything else befell another database.
    return takes_no_writes(error) and attempt.job.attempt <= ATTEMPTS_FORGIVEN


def _count_failure(attempt: _Attempt, errors: str, detail: str = "") -> AttemptResult:
    """Record a failed attempt: back in line with backoff, or failed when no attempt is left."""
    fence, worker, failures = attempt.lease.fence, attempt.worker, attempt.job.failures
    base = DEFAULT_BACKOFF if attempt.action is None else attempt.action.backoff
    is_last = failures + 1 >= max_attempts_of(attempt.job.action)
    seconds = backoff(failures, first=base.total_seconds(), longest=LONGEST_BACKOFF.total_seconds())

    def write() -> TransitionResult:
        with engine_statement():
            if is_last:
                return transitions.fail(fence, errors=errors, worker=worker, detail=detail)
            return transitions.retry_later(
                fence, wait=timedelta(seconds=seconds), errors=errors, worker=worker, detail=detail
            )

    outcome, status = (Outcome.FAILED, Status.FAILED) if is_last else (Outcome.RETRYING, Status.SCHEDULED)
    return _settled(attempt, _persisted(write), outcome, status)


def _stopped(attempt: _Attempt, stop: JobStopped) -> AttemptResult:
    if isinstance(stop, JobReleased):
        return _release(attempt, "The worker shut down.", timedelta(0))
    if isinstance(stop, JobCancelled):
        logger.info("job=%s action=%s attempt=%s was cancelled while it ran", *attempt.words)
        return AttemptResult(outcome=Outcome.CANCELLED)
    logger.warning("job=%s action=%s attempt=%s is no longer this worker's", *attempt.words)
    return AttemptResult(outcome=Outcome.LOST)


def _release(attempt: _Attempt, note: str, wait: timedelta) -> AttemptResult:
    def write() -> TransitionResult:
        with engine_statement():
            return transitions.release(attempt.lease.fence, worker=attempt.worker, note=note, wait=wait)

    return _settled(attempt, _persisted(write), Outcome.RELEASED, Status.SCHEDULED)


class _NotRecorded(Exception):
    """The outcome could not be written: not the action's doing, so nothing may be counted against the job."""

    def __init__(self, error: Error) -> None:
        self.error = error
        super().__init__("the outcome could not be recorded")


@contextmanager
def _given_up_as_database_errors() -> Iterator[None]:
    """Raise the error of the database itself: callers know what to do about that, and about no other."""
    try:
        yield
    except _NotRecorded as given_up:
        raise given_up.error from given_up


def _persisted(write: Callable[[], TransitionResult]) -> TransitionResult:
    """Write an outcome; through outages and conflicts try again, fenced, for the length of a lease."""
    until = time.monotonic() + conf.current().lease_seconds
    for failures in count():
        try:
            return write()
        except Error as error:
            trouble, wait = kind_of(error), backoff(failures, first=0.05)
            if trouble is ErrorKind.OTHER or time.monotonic() + wait > until:
                raise _NotRecorded(error) from error
            if trouble is ErrorKind.OUTAGE:
                reconnect()
            time.sleep(wait)
    raise AssertionError("unreachable")


def _settled(attempt: _Attempt, finish: TransitionResult, outcome: Outcome, status: Status) -> AttemptResult:
    """Tell our own move from somebody else's: after a lost reply to COMMIT the row says which it was."""
    if finish.won:
        logger.info("job=%s action=%s attempt=%s %s", *attempt.words, outcome.name.lower())
        _announce(attempt, status)
        return AttemptResult(outcome=outcome, next_begun=finish.next_begun)
    row = Job.objects.filter(pk=attempt.job.pk).values_list("status", "attempt").first()
    if row == (status, attempt.job.attempt):
        _announce(attempt, status)
        return AttemptResult(outcome=outcome)
    is_cancelled = row is not None and row[0] == Status.CANCELLED
    return _stopped(attempt, JobCancelled(attempt.job.pk) if is_cancelled else LeaseLost(attempt.job.pk))


def _announce(attempt: _Attempt, status: Status) -> None:
    if status.is_final:
        send_job_finished(attempt.job.pk, status)


def _storable(text: str, length: int) -> str:
    """Return ``text`` as every database can store it: no NUL, no lone surrogates, not endless."""
    clean = text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
    return clean if len(clean) <= length else clean[: length - 1] + "…"
