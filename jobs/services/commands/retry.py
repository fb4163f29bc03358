"""Retries failed jobs: each by one new job that names it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import DatabaseError, IntegrityError, models, transaction

from ... import conf
from ...actions import find_action, get_action
from ...actors import SYSTEM, Actor
from ...db import clock
from ...db.connection import jobs_connection, supports_row_locks
from ...db.errors import is_lock_timeout, is_unique_violation
from ...db.notify import notify_due
from ...erasure.subjects import first_receipt
from ...exceptions import Busy, ConcurrentChange, JobNotFound, StepRefused
from ...lifecycle import transitions
from ...models import Job
from ...models.locks import skip_locked
from ...status import RefusalReason, Status
from ..search.jobs import get_job
from ..validation import check_reason
from . import bulk_change
from .insert import insert_order
from .transaction import command_transaction

TRIES: Final = 3


@dataclass(frozen=True, kw_only=True)
class _RetryProblem:
    """Why a job cannot be retried, and which other job is in the way."""

    reason: RefusalReason
    other_job_id: int | None = None


def retry_job(job_id: int, *, project: models.Model, actor: Actor = SYSTEM, reason: str = "") -> Job:
    """Create a new job for a failed one, due now, and return it; the failed one stays as it is.

    It has the same action, reference, description and parameters, and as many attempts as any new job.
    A job is retried once: a second call, also a concurrent one, is refused and names the job that exists.

    Args:
        reason: at most 500 characters, empty for none; kept in the new job's first event, for staff.

    Raises:
        InvalidField: the reason is blank though not empty, too long or has control characters.
        JobNotFound: the project has no such job.
        StepRefused: the job has not failed; was retried already; was redacted; is a bulk change, which runs in the
            name of the person who confirmed it; has an action that is not registered; or has a unique action and
            another job for the reference is active. ``other_job_id`` names the retry or the active job.
        Busy, ConcurrentChange, OutcomeUnknown: as in ``schedule_job``.
    """
    check_reason(reason)
    failed = get_job(job_id, project=project)
    within_host = jobs_connection().in_atomic_block
    for _ in range(TRIES):
        problem = _problems_of([failed]).get(failed.pk)
        if problem is not None:
            raise _as_error(failed, problem)
        retry = _retry_of(failed, clock.read(jobs_connection()))
        try:
            with command_transaction(failpoint="create.committed", wait_seconds=conf.current().cancel_wait_seconds):
                if supports_row_locks(jobs_connection()):  # in the order of `retry_many`, against deadlocks
                    Job.objects.filter(pk=failed.pk).select_for_update(no_key=True).first()
                # Elsewhere the write comes first: a transaction that began with a read could not write once others had.
                transitions.schedule_retries([retry], actor=actor, reason=reason)
                _check_unredacted(failed)
                notify_due()
        except IntegrityError as error:
            if not is_unique_violation(error):
                raise
        else:
            return retry
    # The snapshot of the host's transaction may not include the job that prevents this one.
    raise ConcurrentChange if within_host else Busy


def retry_many(
    job_ids: Collection[int], *, actor: Actor = SYSTEM, reason: str = ""
) -> tuple[list[int], dict[int, RefusalReason]]:
    """Retry many jobs, of any projects, in the caller's transaction; one that cannot be retried stops no other.

    Returns:
        the ids of the retried jobs, ascending, and by id why others were refused. A job in neither is locked by
        somebody, or does not exist; try it again.
    """
    failed = list(skip_locked(Job.objects.filter(pk__in=job_ids)))
    refused = _problems_of(failed)
    done = _one_of_each([job for job in failed if job.pk not in refused])
    if not _insert(done, actor, reason):  # another job is in the way of one of them: insert one by one
        done = [job for job in done if _insert([job], actor, reason)]
    if done:
        notify_due()
    ids = {job.pk for job in done}
    refused |= _problems_of([job for job in failed if job.pk not in refused and job.pk not in ids])
    return sorted(ids), {pk: problem.reason for pk, problem in refused.items()}


def _retry_of(failed: Job, now: datetime) -> Job:
    action = get_action(failed.action)
    return Job(
        project_id=failed.project_id,
        action=failed.action,
        reference_id=failed.reference_id,
        description=failed.description,
        parameters=failed.parameters,
        unique_key=failed.reference_id if action.unique else None,
        retry_of=failed,
        created_at=now,
        start_at=now,
        due_at=now,
        receipt=first_receipt(action),
    )


def _one_of_each(jobs: Sequence[Job]) -> list[Job]:
    """Return, of the jobs whose action is unique, the first for each reference, and all other jobs."""
    first: dict[Any, Job] = {}
    for job in jobs:
        first.setdefault(_key_of(job) if _is_unique(job) else job.pk, job)
    return list(first.values())


def _insert(failed: Sequence[Job], actor: Actor, reason: str) -> bool:
    """Insert a retry of each job or, if another job is in the way of one, of none, and keep the transaction usable."""
    now = clock.read(jobs_connection())
    retries = sorted((_retry_of(job, now) for job in failed), key=insert_order)
    try:
        with transaction.atomic(using=jobs_connection().alias):
            transitions.schedule_retries(retries, actor=actor, reason=reason)
    except DatabaseError as error:
        if not (is_unique_violation(error) or is_lock_timeout(error)):
            raise
        return False
    return True


def _problems_of(jobs: Sequence[Job]) -> dict[int, _RetryProblem]:
    """Return why jobs cannot be retried, by id; two queries, on the indexes that enforce the rules."""
    # In this order, so that an active retry that is created in between is found as a retry.
    active = _active_jobs([job for job in jobs if job.status == Status.FAILED and _is_unique(job)])
    retried = dict(Job.objects.filter(retry_of__in=[job.pk for job in jobs]).values_list("retry_of_id", "pk"))
    found = {job.pk: _problem_of(job, retried.get(job.pk), active.get(_key_of(job))) for job in jobs}
    return {pk: problem for pk, problem in found.items() if problem is not None}


def _problem_of(job: Job, retried_by: int | None, active: int | None) -> _RetryProblem | None:
    if job.status != Status.FAILED:
        return _RetryProblem(reason=RefusalReason.NOT_FAILED)
    if retried_by is not None:
        return _RetryProblem(reason=RefusalReason.RETRIED, other_job_id=retried_by)
    if not job.reference_id:
        return _RetryProblem(reason=RefusalReason.REDACTED)
    if job.action == bulk_change.ACTION:
        return _RetryProblem(reason=RefusalReason.BULK_CHANGE)
    if find_action(job.action) is None:
        return _RetryProblem(reason=RefusalReason.UNKNOWN_ACTION)
    return None if active is None else _RetryProblem(reason=RefusalReason.ACTIVE_JOB, other_job_id=active)


def _active_jobs(jobs: Sequence[Job]) -> dict[tuple[Any, str, str], int]:
    """Return the active jobs of unique actions, by project, action and reference."""
    if not jobs:
        return {}
    projects, actions, references = zip(*map(_key_of, jobs), strict=True)
    active = Job.objects.active().filter(project__in=projects, action__in=actions, unique_key__in=references)
    rows = active.values_list("project_id", "action", "unique_key", "pk")
    return {(project, action, str(key)): pk for project, action, key, pk in rows}


def _key_of(job: Job) -> tuple[Any, str, str]:
    return job.project_id, job.action, job.reference_id


def _is_unique(job: Job) -> bool:
    action = find_action(job.action)
    return action is not None and action.unique


def _check_unredacted(failed: Job) -> None:
    """Refuse a job that was redacted or deleted since it was read: the new job would keep its reference.

    Raises:
        JobNotFound, StepRefused: it was.
    """
    now = Job.objects.filter(pk=failed.pk).first()
    if now is None:
        raise JobNotFound(failed.pk)
    if now.reference_id != failed.reference_id:
        raise _as_error(failed, _RetryProblem(reason=RefusalReason.REDACTED))


def _as_error(job: Job, problem: _RetryProblem) -> StepRefused:
    return StepRefused(job.pk, why=problem.reason, status=Status(job.status), other_job_id=problem.other_job_id)
