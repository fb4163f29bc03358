"""One job from claim to outcome: run its action, take the last look, record what became of it."""

import logging
import random
import secrets
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from typing import Final

from django.db import DatabaseError

from . import conf, transitions
from .actions import Action, find_action
from .actors import Actor
from .context import JobContext
from .database import Trouble, classify, engine_statement, engine_transaction, reconnect
from .exceptions import JobCancelled, JobFailed, JobReleased, JobStopped, LeaseLost, RowsLeft
from .leases import Lease
from .models import Job
from .status import Status
from .transitions import Finish, Held

logger = logging.getLogger(__name__)

PASSES: Final = 5
LONGEST_BACKOFF: Final = timedelta(hours=1)
SHORT_WAIT: Final = timedelta(seconds=5)
DEFAULT_BACKOFF: Final = timedelta(seconds=30)
DEFAULT_MAX_ATTEMPTS: Final = 3
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
class Ran:
    """The outcome, and whether the worker's next job was begun in the same commit."""

    outcome: Outcome
    next_begun: bool = False


def run(job: Job, *, lease: Lease, worker: Actor, then: Callable[[], Held | None]) -> Ran:
    """Run one claimed and begun job to its outcome, and record that; never raises what an action raised.

    ``then`` is asked, when the job is about to finish, for the next job to begin in the
    same commit.

    Raises:
        DatabaseError: the outcome could not be recorded for a whole lease; the sweep will find the job.
    """
    action = find_action(job.action)
    if action is None:
        return _attempt_failed(job, lease, worker, f"No action called {job.action} is known to the worker.", "", None)
    lease.deadline = action.deadline
    lease.note_progress()
    context = JobContext(job, lease=lease, databases=action.databases)
    try:
        return _run_passes(action, job, context, lease, worker, then)
    except BaseException as error:  # noqa: BLE001 – an action may raise anything, SystemExit too; all is recorded
        if context.stopped is not None:  # whatever it raised after its job was stopped
            return _stopped(job, context.stopped, lease, worker)
        if isinstance(error, JobFailed):
            return _failed(job, lease, worker, error, then())
        return _raised(job, lease, worker, error, action)


def _run_passes(
    action: Action, job: Job, context: JobContext, lease: Lease, worker: Actor, then: Callable[[], Held | None]
) -> Ran:
    """Run the action, and again while its last look finds rows that others have added meanwhile."""
    for turn in range(PASSES):
        with context.guarded():
            action.handler(context)
        if context.stopped is not None:
            raise context.stopped
        try:
            return _complete(job, context, lease, worker, then())
        except RowsLeft:
            if turn == PASSES - 1:
                raise
    raise AssertionError("unreachable")


def _complete(job: Job, context: JobContext, lease: Lease, worker: Actor, then: Held | None) -> Ran:
    def write() -> Finish:
        if not context.has_verifications:
            with engine_statement():
                return transitions.complete(lease.held, worker=worker, then=then)
        with engine_transaction(limited=True):
            context.finish_verified()
            return transitions.complete(lease.held, worker=worker, then=then)

    return _settled(job, _persisted(write), Outcome.COMPLETED, Status.COMPLETED)


def _failed(job: Job, lease: Lease, worker: Actor, failure: JobFailed, then: Held | None) -> Ran:
    errors = _storable(failure.message, MAX_ERRORS_CHARACTERS)

    def write() -> Finish:
        with engine_statement():
            return transitions.fail(lease.held, errors=errors, worker=worker, then=then)

    logger.info("job=%s action=%s attempt=%s failed by its action", job.pk, job.action, job.attempt)
    return _settled(job, _persisted(write), Outcome.FAILED, Status.FAILED)


def _raised(job: Job, lease: Lease, worker: Actor, error: BaseException, action: Action) -> Ran:
    """Record an attempt that ended by an exception: an outage or a conflict is not the job's fault."""
    if isinstance(error, DatabaseError) and classify(error) in (Trouble.OUTAGE, Trouble.CONFLICT):
        return _release(job, lease, worker, "The database was not available.", SHORT_WAIT)
    reference = secrets.token_hex(4)
    detail = _storable("".join(traceback.format_exception(error)), MAX_DETAIL_CHARACTERS)
    # The exception's text may hold personal data (PostgreSQL names row values), so the log has its type alone.
    logger.error(
        "job=%s action=%s attempt=%s raised %s reference=%s",
        job.pk,
        job.action,
        job.attempt,
        type(error).__qualname__,
        reference,
    )
    errors = (
        str(error) if isinstance(error, RowsLeft) else f"The job failed for an internal reason (reference {reference})."
    )
    return _attempt_failed(job, lease, worker, errors, detail, action)


def _attempt_failed(job: Job, lease: Lease, worker: Actor, errors: str, detail: str, action: Action | None) -> Ran:
    """Record a failed attempt: back in line with backoff, or failed when no attempt is left."""
    limit = action.max_attempts if action else DEFAULT_MAX_ATTEMPTS
    base = action.backoff if action else DEFAULT_BACKOFF
    is_last = job.failures + 1 >= limit
    wait = min(base * 2 ** min(job.failures, 30), LONGEST_BACKOFF) * random.uniform(0.5, 1)  # noqa: S311 – jitter

    def write() -> Finish:
        with engine_statement():
            if is_last:
                return transitions.fail(lease.held, errors=errors, worker=worker, detail=detail)
            return transitions.retry_later(lease.held, wait=wait, errors=errors, worker=worker, detail=detail)

    outcome, status = (Outcome.FAILED, Status.FAILED) if is_last else (Outcome.RETRYING, Status.SCHEDULED)
    return _settled(job, _persisted(write), outcome, status)


def lose_attempt(job: Job, *, lease: Lease, worker: Actor) -> Ran:
    """Take the attempt from an action that made no progress for its deadline; its thread can do no more harm."""
    action = find_action(job.action)
    span = action.deadline.total_seconds() if action else 0
    logger.error("job=%s action=%s attempt=%s made no progress for %g s", job.pk, job.action, job.attempt, span)
    return _attempt_failed(job, lease, worker, f"The job made no progress for {span:g} seconds.", "", action)


def _stopped(job: Job, stop: JobStopped, lease: Lease, worker: Actor) -> Ran:
    if isinstance(stop, JobReleased):
        return _release(job, lease, worker, "The worker shut down.", timedelta(0))
    if isinstance(stop, JobCancelled):
        logger.info("job=%s action=%s attempt=%s cancelled while it ran", job.pk, job.action, job.attempt)
        return Ran(outcome=Outcome.CANCELLED)
    logger.warning("job=%s action=%s attempt=%s was taken over by another worker", job.pk, job.action, job.attempt)
    return Ran(outcome=Outcome.LOST)


def _release(job: Job, lease: Lease, worker: Actor, note: str, wait: timedelta) -> Ran:
    def write() -> Finish:
        with engine_statement():
            return transitions.release(lease.held, worker=worker, note=note, wait=wait)

    return _settled(job, _persisted(write), Outcome.RELEASED, Status.SCHEDULED)


def _persisted(write: Callable[[], Finish]) -> Finish:
    """Write an outcome; through outages and conflicts try again, fenced, for the length of a lease."""
    until = time.monotonic() + conf.current().lease_seconds
    wait = 0.05
    while True:
        try:
            return write()
        except DatabaseError as error:
            trouble = classify(error)
            if trouble is Trouble.OTHER or time.monotonic() + wait > until:
                raise
            if trouble is Trouble.OUTAGE:
                reconnect()
            time.sleep(wait * random.uniform(0.5, 1))  # noqa: S311 – jitter
            wait = min(wait * 2, 5.0)


def _settled(job: Job, finish: Finish, outcome: Outcome, status: Status) -> Ran:
    """Tell our own move from somebody else's: after a lost reply to COMMIT the row says which it was."""
    if finish.won:
        return Ran(outcome=outcome, next_begun=finish.next_begun)
    row = Job.objects.filter(pk=job.pk).values_list("status", "attempt").first()
    if row == (status, job.attempt):
        return Ran(outcome=outcome)
    if row is not None and row[0] == Status.CANCELLED:
        return _told(job, JobCancelled(job.pk), Outcome.CANCELLED)
    return _told(job, LeaseLost(job.pk), Outcome.LOST)


def _told(job: Job, stop: JobStopped, outcome: Outcome) -> Ran:
    logger.info("job=%s action=%s attempt=%s %s before it could finish", job.pk, job.action, job.attempt, stop.code)
    return Ran(outcome=outcome)


def _storable(text: str, length: int) -> str:
    """Return ``text`` as every database can store it: no NUL, no lone surrogates, not endless."""
    clean = text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
    return clean if len(clean) <= length else clean[: length - 1] + "…"
