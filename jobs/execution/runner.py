"""The runner: run the action of a claimed job, verify its result and record the outcome."""

import logging
from collections.abc import Callable
from typing import Final

from django.db import Error

from ..actions import Action, find_action
from ..actors import Actor
from ..db import failpoints
from ..db.connection import limited_transaction, single_statement
from ..db.errors import ErrorKind, kind_of, takes_no_writes
from ..exceptions import JobFailed, RowsLeft
from ..lifecycle import transitions
from ..lifecycle.isolation import (
    driver_connection,
    is_connection_lost,
    no_session_state_left,
    no_transaction_left_open,
)
from ..lifecycle.statements import Fence, TransitionResult
from ..models import Job
from . import outcomes
from .completion_group import CompletionGroup
from .context import JobContext
from .leases import Lease
from .outcomes import Attempt, AttemptResult, NotRecorded, Outcome

logger = logging.getLogger(__name__)

PASSES: Final = 5
CONFLICT: Final = "Another transaction was in the way"
CONNECTION_LOST: Final = "The action's connection to the database was lost, although the database answers"
TAKES_NO_WRITES: Final = "The database took no writes"

# Returns the fence of the worker's next job, which begins in the commit that ends the job before; None: there is none.
BeginNext = Callable[[], Fence | None]


def run(
    job: Job,
    *,
    lease: Lease,
    worker: Actor,
    begin_next: BeginNext = lambda: None,
    group: CompletionGroup | None = None,
) -> AttemptResult:
    """Run a claimed and begun job and record the outcome; never raises what the action raised.

    ``begin_next`` is called at each try of the commit that ends the job, and must return the same each time.

    Raises:
        Error: the database is away, or the outcome could not be recorded for a whole lease: release the job.
    """
    attempt = Attempt(job=job, lease=lease, worker=worker, connection=driver_connection(), group=group)
    action = find_action(job.action)
    if action is None:
        return _recorded(
            attempt, lambda: outcomes.count_failure(attempt, f"No action called {job.action} is known to the worker.")
        )
    return _recorded(attempt, lambda: _run_action(attempt, action, begin_next))


def lose_attempt(job: Job, *, lease: Lease, worker: Actor) -> AttemptResult:
    """Count a failure of an action that made no progress within its deadline; its thread can commit no more.

    Raises:
        Error: the outcome could not be recorded for a whole lease.
    """
    action = find_action(job.action)
    span = action.deadline.total_seconds() if action else 0
    logger.error("job=%s action=%s attempt=%s made no progress for %g s", job.pk, job.action, job.attempt, span)
    attempt = Attempt(job=job, lease=lease, worker=worker)
    return _recorded(
        attempt, lambda: outcomes.count_failure(attempt, f"The job made no progress for {span:g} seconds.")
    )


def _recorded(attempt: Attempt, end: Callable[[], AttemptResult]) -> AttemptResult:
    """Return what ``end`` recorded. An error of our own code in it costs the job this attempt, in one way or another.

    Raises:
        Error: the outcome could not be recorded for a whole lease.
    """
    with outcomes.not_recorded_as_database_error():
        try:
            return end()
        except NotRecorded:
            raise
        except BaseException as error:  # noqa: BLE001 – an error here must not end the process, which runs other jobs
            first = error
        try:
            return outcomes.count_own_error(attempt, first)
        except NotRecorded:
            raise
        except BaseException as error:  # noqa: BLE001 – the same
            return outcomes.abandon(attempt, error)


def _run_action(attempt: Attempt, action: Action, begin_next: BeginNext) -> AttemptResult:
    context = JobContext(
        attempt.job, lease=attempt.lease, databases=action.databases, writes_outside=action.writes_outside
    )
    try:
        return _run_passes(attempt, action, context, begin_next)
    except NotRecorded:
        raise
    except BaseException as error:  # noqa: BLE001 – an action may raise anything, SystemExit too; all is recorded
        if context.stopped is not None:  # what it raised after that does not matter
            return outcomes.stopped(attempt, context.stopped)
        if isinstance(error, JobFailed):
            return outcomes.fail(attempt, error, begin_next)
        return _raised(attempt, error)


def _run_passes(attempt: Attempt, action: Action, context: JobContext, begin_next: BeginNext) -> AttemptResult:
    """Run the action, and again while verifying finds rows that were added meanwhile."""
    for turn in range(PASSES):
        attempt.lease.note_progress()
        attempt.lease.deadline = action.deadline
        try:
            with no_session_state_left(), no_transaction_left_open(), context.guarded():
                action.call(context)
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


def _complete(attempt: Attempt, context: JobContext, begin_next: BeginNext) -> AttemptResult:
    fence, worker = attempt.lease.fence, attempt.worker

    def write() -> TransitionResult:
        if not context.has_verifications:
            next_fence = begin_next()
            if attempt.group and (done := attempt.group.complete(fence, next_fence)):
                return done
            with single_statement():
                return transitions.complete(fence, worker=worker, next_fence=next_fence)
        with limited_transaction():
            if not context.verify_and_record():
                # An earlier try may have committed without an answer: resolve_result reads the row.
                return TransitionResult(won=False)
            failpoints.reach("finish.verified")
            # Taken only now: if rows are left, this job runs again, and the next one stays free for other threads.
            return transitions.complete(fence, worker=worker, next_fence=begin_next())

    failpoints.reach("finish.before")
    finish = outcomes.write_with_retries(write)
    failpoints.reach("finish.after")
    return outcomes.resolve_result(attempt, finish, Outcome.COMPLETED)


def _raised(attempt: Attempt, error: BaseException) -> AttemptResult:
    """Record an attempt that ended by an exception: an outage or a conflict counts no failure."""
    why = _why_interrupted(attempt, error)
    if why:
        return outcomes.interrupt(attempt, error, why)
    return outcomes.count_error(attempt, error, str(error) if isinstance(error, RowsLeft) else "")


def _why_interrupted(attempt: Attempt, error: BaseException) -> str:
    """Return why the attempt is not the action's failure: the jobs' database was away or met a conflict; or nothing."""
    if not isinstance(error, Error):
        return ""
    kind = kind_of(error)
    if kind is ErrorKind.CONFLICT:
        return CONFLICT
    if kind is not ErrorKind.OUTAGE:
        return ""
    if is_connection_lost(attempt.connection):
        return CONNECTION_LOST
    # The connection works: the jobs' database takes no writes, or another database is away, which counts as a failure.
    return TAKES_NO_WRITES if takes_no_writes(error) else ""
