"""Insert new jobs, all or none, beside others who do the same."""

from collections.abc import Callable, Sequence
from typing import Final

from django.db import IntegrityError, models

from ... import failpoints
from ...actors import Actor
from ...db.connection import home
from ...db.errors import is_unique_violation
from ...db.notify import notify_due
from ...exceptions import Busy, ConcurrentChange
from ...lifecycle import transitions
from ...models import Job
from .idempotency import IdempotentRequest, Scheduled, find_replay
from .transaction import change

INSERT_TRIES: Final = 3


def insert_jobs(
    jobs: Sequence[Job],
    *,
    project: models.Model,
    actor: Actor,
    call: IdempotentRequest | None = None,
    refuse_conflicts: Callable[[Sequence[Job]], None],
) -> Scheduled:
    """Insert, once for a call; when what was in the way has gone before it could be named, try again.

    A rival that has not yet committed is waited for. ``refuse_conflicts`` raises if active jobs are in the way.

    Raises:
        IdempotencyKeyReused: a rival has used the key of the call for something else.
        Busy, ConcurrentChange, OutcomeUnknown: as in ``schedule_job``.
    """
    within_host = home().in_atomic_block
    _remember(call, jobs)
    for _ in range(INSERT_TRIES):
        try:
            with change(then="create.committed"):
                _insert(jobs, actor)
        except IntegrityError as error:
            if not is_unique_violation(error):
                raise
            # Fresh statements: the failed one has told nothing about the row it met. The call comes first:
            # the active job that is in the way of a repeated one is its own.
            replay = find_replay(call, project=project)
            if replay is not None:
                return replay
            refuse_conflicts(jobs)
        else:
            return Scheduled(jobs=jobs)
    # In a snapshot of the host's, the job in the way may be one that cannot be seen from there.
    raise ConcurrentChange if within_host else Busy


def _remember(call: IdempotentRequest | None, jobs: Sequence[Job]) -> None:
    if call is not None:
        for index, job in enumerate(jobs):
            job.call_digest, job.call_body, job.call_index = call.digest, call.body, index


def _insert(jobs: Sequence[Job], actor: Actor) -> None:
    transitions.schedule_many(sorted(jobs, key=place_of), actor=actor)
    if any(job.due_at <= job.created_at for job in jobs):
        notify_due()
    failpoints.reach("create.before_commit")


def place_of(job: Job) -> tuple[str, str]:
    """Where a job stands in the INSERT: two that meet for the same rows in one order wait, but never for each other."""
    return ("", "") if job.unique_key is None else (job.action, job.unique_key)
