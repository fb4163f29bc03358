"""Insert new jobs, all or none, against concurrent inserts of the same ones."""

from collections.abc import Callable, Sequence
from typing import Final

from django.db import IntegrityError, models

from ...actors import Actor
from ...db import failpoints
from ...db.connection import jobs_connection
from ...db.errors import is_unique_violation
from ...db.notify import notify_due
from ...exceptions import ActiveJobExists, BatchConflict, Busy, ConcurrentChange, ProjectNotFound
from ...lifecycle import transitions
from ...models import Job
from .idempotency import IdempotentRequest, Scheduled, find_replay
from .transaction import command_transaction

INSERT_TRIES: Final = 3


def insert_jobs(
    prepare: Callable[[], Sequence[Job]],
    *,
    project: models.Model,
    actor: Actor,
    request: IdempotentRequest | None,
    refuse_conflicts: Callable[[Sequence[Job]], None],
) -> Scheduled:
    """Insert the jobs that ``prepare`` returns, or return those that ``request`` created before.

    ``prepare`` is not called for a replay, which thus does not depend on what is accepted today.
    ``refuse_conflicts`` raises if active jobs prevent these. It is asked before the insert, because a server
    logs an INSERT that fails with the references in it, and again where another request was faster.

    The insert waits for a concurrent one that has not yet committed. If the conflicting row is gone
    before it could be named, the insert is tried again.

    Raises:
        IdempotencyKeyReused: the key of the request came with another body, or to another endpoint.
        ProjectNotFound: the project was deleted meanwhile.
        Busy, ConcurrentChange, OutcomeUnknown: as in ``schedule_job``.
    """
    replay = find_replay(request, project=project)
    if replay is not None:
        return replay
    within_host = jobs_connection().in_atomic_block
    jobs = prepare()
    try:
        refuse_conflicts(jobs)
    except (ActiveJobExists, BatchConflict):
        replay = find_replay(request, project=project)  # a concurrent request with this key may have committed
        if replay is None:
            raise
        return replay
    _remember(request, jobs)
    for _ in range(INSERT_TRIES):
        try:
            with command_transaction(failpoint="create.committed"):
                _insert(jobs, actor)
        except IntegrityError as error:
            if not is_unique_violation(error):
                if not type(project)._base_manager.using(jobs_connection().alias).filter(pk=project.pk).exists():
                    raise ProjectNotFound from error
                raise
            # Check for a replay again: a concurrent request with this key may have committed. This comes before the
            # conflicts, because the conflicting job may be the one that this request created.
            replay = find_replay(request, project=project)
            if replay is not None:
                return replay
            refuse_conflicts(jobs)
        else:
            return Scheduled(jobs=jobs)
    # The snapshot of the host's transaction may not include the conflicting job.
    raise ConcurrentChange if within_host else Busy


def _remember(request: IdempotentRequest | None, jobs: Sequence[Job]) -> None:
    if request is not None:
        for index, job in enumerate(jobs):
            job.call_digest, job.call_body, job.call_index = request.digest, request.body, index


def _insert(jobs: Sequence[Job], actor: Actor) -> None:
    transitions.schedule_many(sorted(jobs, key=insert_order), actor=actor)
    if any(job.due_at <= job.created_at for job in jobs):
        notify_due()
    failpoints.reach("create.before_commit")


def insert_order(job: Job) -> tuple[str, str]:
    """Return the sort key of a job in an INSERT.

    Two transactions that insert the same unique jobs in one order wait for each other, but never deadlock.
    """
    return ("", "") if job.unique_key is None else (job.action, job.unique_key)
