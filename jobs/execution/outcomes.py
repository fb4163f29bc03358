"""The outcome of an attempt, and how it is recorded: by one guarded statement, again after an outage."""

import logging
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from functools import partial
from itertools import count
from typing import Any, Final

from django.db import Error

from .. import conf
from ..actions import DEFAULT_BACKOFF, find_action, max_attempts_of
from ..actors import Actor
from ..db.backoff import backoff
from ..db.connection import answer_seconds, jobs_connection, reconnect, single_statement
from ..db.errors import ErrorKind, kind_of
from ..db.timeouts import answer_within
from ..exceptions import JobCancelled, JobFailed, JobReleased, JobStopped, LeaseLost
from ..lifecycle import transitions
from ..lifecycle.finished import send_job_finished
from ..lifecycle.statements import Fence, TransitionResult
from ..models import Job
from ..status import Status
from .completion_group import CompletionGroup
from .leases import Lease
from .texts import NO_REASON, name_of, storable, traceback_of

logger = logging.getLogger(__name__)

LONGEST_BACKOFF: Final = timedelta(hours=1)
SHORT_WAIT: Final = timedelta(seconds=5)
LONGEST_INTERRUPTION_WAIT: Final = timedelta(minutes=10)
# Interruptions that cost a failure: so many in a row without a chunk, or all after so many.
MOST_IN_A_ROW: Final = 10
MOST_INTERRUPTIONS: Final = 100
MAX_ERRORS_CHARACTERS: Final = 1_000
MAX_DETAIL_CHARACTERS: Final = 20_000
INTERNAL: Final = "The job failed for an internal reason (reference {})."
NO_DATABASE: Final = "The database was not available."


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


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt of one job by one worker."""

    job: Job
    lease: Lease
    worker: Actor
    # The driver's connection at the beginning; None where no action runs.
    connection: object = None
    # With what other jobs it may be completed; None: alone.
    group: CompletionGroup | None = None

    @property
    def log_fields(self) -> tuple[int, str, int]:
        """Job, action and attempt, as in every log line; no reference, which may be an e-mail address."""
        return self.job.pk, self.job.action, self.job.attempt


# How an attempt ends, and the transition that records it.
Ending = tuple[Outcome, Callable[[], TransitionResult]]


class NotRecorded(Exception):
    """The outcome could not be written for a whole lease; that is not the action's fault, so nothing is counted."""

    def __init__(self, error: Error) -> None:
        self.error = error


@contextmanager
def not_recorded_as_database_error() -> Iterator[None]:
    """Raise the database's own error in place of ``NotRecorded``: callers handle no other."""
    try:
        yield
    except NotRecorded as unrecorded:
        raise unrecorded.error from unrecorded.error.__cause__  # which says what kind of error it is


def fail(attempt: Attempt, failure: JobFailed, begin_next: Callable[[], Fence | None]) -> AttemptResult:
    """End the job as its action asked: without a further attempt."""
    errors = storable(lambda: _message_of(failure), MAX_ERRORS_CHARACTERS, instead=NO_REASON)
    detail = "" if failure.__cause__ is None else traceback_of(failure, MAX_DETAIL_CHARACTERS)
    facts: dict[str, Any] = {"errors": errors, "worker": attempt.worker, "detail": detail}
    finish = _record(lambda: transitions.fail(attempt.lease.fence, **facts, next_fence=begin_next()))
    return resolve_result(attempt, finish, Outcome.FAILED)


def count_failure(attempt: Attempt, errors: str, detail: str = "") -> AttemptResult:
    """Record a failed attempt: schedule the next one with back-off, or fail the job after the last."""
    outcome, write = _failure(attempt.job, attempt.lease.fence, worker=attempt.worker, errors=errors, detail=detail)
    return resolve_result(attempt, _record(write), outcome)


def count_error(attempt: Attempt, error: BaseException, errors: str = "") -> AttemptResult:
    """Count a failure by an error whose text is for staff alone; integrators read ``errors``, or a reference."""
    reference = secrets.token_hex(4)
    # Only the type is logged: the text may have personal data, as PostgreSQL quotes row values.
    logger.error("job=%s action=%s attempt=%s raised %s reference=%s", *attempt.log_fields, name_of(error), reference)
    return count_failure(attempt, errors or INTERNAL.format(reference), traceback_of(error, MAX_DETAIL_CHARACTERS))


def count_own_error(attempt: Attempt, error: BaseException) -> AttemptResult:
    """Count a failure of an attempt whose outcome our own code could not record; log it only then."""
    reference = secrets.token_hex(4)
    result = count_failure(attempt, INTERNAL.format(reference), traceback_of(error, MAX_DETAIL_CHARACTERS))
    logger.error("job=%s action=%s attempt=%s met an error of jobs reference=%s", *attempt.log_fields, reference)
    return result


def interrupt(attempt: Attempt, error: BaseException, why: str) -> AttemptResult:
    """Hand back a job whose attempt met ``error``, and count an interruption if the database answers at once.

    If the first try to record it fails or takes longer than a beat, there was an outage, which counts nothing.
    """
    fence, worker, outcome = attempt.lease.fence, attempt.worker, Outcome.RELEASED
    note, detail = f"{why} ({name_of(error.__cause__ or error)}).", traceback_of(error, MAX_DETAIL_CHARACTERS)
    tries = count()

    def write() -> TransitionResult:
        nonlocal outcome
        is_first, started = next(tries) == 0, time.monotonic()
        with single_statement():
            chosen, transition = interruption(fence, worker=worker, note=note, detail=detail)
            if not is_first or time.monotonic() - started > conf.current().beat_seconds:
                chosen, transition = plain_release(fence, worker=worker, note=NO_DATABASE, wait=SHORT_WAIT)
            if is_first:
                outcome = chosen
            result = transition()
            # If a later try does not win, the first one may have been committed without an answer.
            outcome = chosen if result.won else outcome
            return result

    with answer_within(answer_seconds(), jobs_connection()):
        is_usable = jobs_connection().is_usable()
    if not is_usable:
        reconnect()
    finish = write_with_retries(write)
    return resolve_result(attempt, finish, outcome)


def plain_release(fence: Fence, *, worker: Actor, note: str, wait: timedelta = timedelta(0)) -> Ending:
    """Return what hands a job back and counts nothing."""
    return Outcome.RELEASED, partial(transitions.release, fence, worker=worker, note=note, wait=wait)


def interruption(fence: Fence, *, worker: Actor, note: str, detail: str = "") -> Ending:
    """Return what ends an attempt that was interrupted though the database answers: a release or, if often, a failure.

    An attempt that had not begun is only released.
    """
    job = Job.objects.filter(pk=fence.job_id).first()
    if job is None or job.begun_at is None:
        return plain_release(fence, worker=worker, note=note)
    in_a_row = job.interruptions_in_a_row + 1
    if in_a_row >= MOST_IN_A_ROW or job.interruptions >= MOST_INTERRUPTIONS:
        errors = f"{note} That was interruption {job.interruptions + 1}, {in_a_row} in a row without a chunk."
        return _failure(job, fence, worker=worker, errors=errors, detail=detail)
    longer = backoff(in_a_row, first=SHORT_WAIT.total_seconds(), longest=LONGEST_INTERRUPTION_WAIT.total_seconds())
    wait = max(SHORT_WAIT, timedelta(seconds=longer))
    facts: dict[str, Any] = {"note": note, "detail": detail, "wait": wait}
    return Outcome.RELEASED, partial(transitions.interrupt, fence, worker=worker, **facts)


def stopped(attempt: Attempt, stop: JobStopped) -> AttemptResult:
    """Return the outcome of an attempt whose job was taken from it; only a release is still to be recorded."""
    if isinstance(stop, JobReleased):
        outcome, write = plain_release(attempt.lease.fence, worker=attempt.worker, note="The worker shut down.")
        return resolve_result(attempt, _record(write), outcome)
    if isinstance(stop, JobCancelled):
        logger.info("job=%s action=%s attempt=%s was cancelled while it ran", *attempt.log_fields)
        return AttemptResult(outcome=Outcome.CANCELLED)
    logger.warning("job=%s action=%s attempt=%s is no longer this worker's", *attempt.log_fields)
    return AttemptResult(outcome=Outcome.LOST)


def abandon(attempt: Attempt, error: BaseException) -> AttemptResult:
    """Give up an attempt whose outcome our own code cannot record: its lease runs out, and that counts a crash."""
    attempt.lease.given_up.set()
    logger.error("job=%s action=%s attempt=%s cannot be recorded: %s", *attempt.log_fields, name_of(error))
    return AttemptResult(outcome=Outcome.LOST)


def resolve_result(attempt: Attempt, finish: TransitionResult, outcome: Outcome) -> AttemptResult:
    """Return the result. If the write matched no row, the row says whether an earlier try has been committed."""
    status = STATUS_AFTER[outcome]
    row = None if finish.won else Job.objects.filter(pk=attempt.job.pk).values_list("status", "attempt").first()
    if finish.won:
        logger.info("job=%s action=%s attempt=%s %s", *attempt.log_fields, outcome.name.lower())
    if finish.won or row == (status, attempt.job.attempt):
        if status.is_final:
            send_job_finished(attempt.job.pk, status)
        return AttemptResult(outcome=outcome, next_begun=finish.won and bool(finish.begun_ids))
    stop = JobCancelled if row is not None and row[0] == Status.CANCELLED else LeaseLost
    return stopped(attempt, stop(attempt.job.pk))


def write_with_retries(write: Callable[[], TransitionResult]) -> TransitionResult:
    """Write an outcome; after outages and conflicts try again for the length of a lease, guarded by the fence.

    After any other error, try once more on a new connection: the action may have left settings on the old one.

    Raises:
        NotRecorded: a whole lease of outages or conflicts.
        Error: the write itself is at fault.
    """
    until = time.monotonic() + conf.current().lease_seconds
    for failures in count():
        try:
            return write()
        except Error as error:
            kind, wait = kind_of(error), backoff(failures, first=0.05)
            is_late = time.monotonic() + wait > until
            if is_late and kind in (ErrorKind.OUTAGE, ErrorKind.CONFLICT):
                raise NotRecorded(error) from error
            if is_late or (failures and kind is ErrorKind.OTHER):
                raise
            if kind is not ErrorKind.CONFLICT and not jobs_connection().in_atomic_block:
                reconnect()
            time.sleep(wait)
    raise AssertionError("unreachable")


def _record(write: Callable[[], TransitionResult]) -> TransitionResult:
    def in_a_statement() -> TransitionResult:
        with single_statement():
            return write()

    return write_with_retries(in_a_statement)


def _failure(job: Job, fence: Fence, *, worker: Actor, errors: str, detail: str) -> Ending:
    facts: dict[str, Any] = {"errors": errors, "worker": worker, "detail": detail}
    if job.failures + 1 >= max_attempts_of(job.action):
        return Outcome.FAILED, partial(transitions.fail, fence, **facts)
    action = find_action(job.action)
    first = (DEFAULT_BACKOFF if action is None else action.backoff).total_seconds()
    seconds = backoff(job.failures, first=first, longest=LONGEST_BACKOFF.total_seconds())
    return Outcome.RETRYING, partial(transitions.retry_later, fence, wait=timedelta(seconds=seconds), **facts)


def _message_of(failure: JobFailed) -> object:
    """Return what the action gave; a subclass need not call ``super().__init__``.

    Raises:
        LookupError: it gave nothing.
    """
    given = getattr(failure, "message", None)
    given = failure.args[0] if given is None else given
    if given is None:
        raise LookupError
    return given
