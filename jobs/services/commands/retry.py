"""Try failed jobs again: by new jobs that name them, each once."""

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
from ...exceptions import Busy, ConcurrentChange, JobNotFound, StepRefused
from ...lifecycle import transitions
from ...models import Job
from ...models.locks import skip_locked
from ...status import RefusalReason, Status
from ..search.jobs import get_job
from ..validation import check_reason
from . import bulk_change
from .insert import insert_order
from .transaction import change

TRIES: Final = 3


@dataclass(frozen=True, kw_only=True)
class _Refused:
    """Why a job cannot be retried, and which other job is in the way."""

    why: RefusalReason
    other_job_id: int | None = None


def retry_job(job_id: int, *, project: models.Model, actor: Actor = SYSTEM, reason: str = "") -> Job:
    """Create a job that tries a failed one again, from now on, and return it; the failed one stays as it is.

    It has the same action, reference, description and parameters, and as many attempts as any new job.
    A job is retried once: whoever tries a second time, be it at the same moment, is told which job does it.

    Args:
        reason: at most 500 characters, empty for none; kept in the new job's first event, for staff.

    Raises:
        InvalidField: the reason is blank though not empty, too long or has control characters.
        JobNotFound: the project has no such job.
        StepRefused: it has not failed, was retried, was redacted, is staff's ``change_jobs``, which would act in the
            name of others, its action is gone, or its action is unique and another job for the same reference waits
            or runs; ``other_job_id`` names the job in the way.
        Busy, ConcurrentChange, OutcomeUnknown: as in ``schedule_job``.
    """
    check_reason(reason)
    failed = get_job(job_id, project=project)
    within_host = jobs_connection().in_atomic_block
    for _ in range(TRIES):
        refused = _refusals([failed]).get(failed.pk)
        if refused is not None:
            raise _as_error(failed, refused)
        retry = _retry_of(failed, clock.read(jobs_connection()))
        try:
            with change(then="create.committed", wait_seconds=conf.current().cancel_wait_seconds):
                if supports_row_locks(jobs_connection()):  # in the order of `retry_many`, against deadlocks
                    Job.objects.select_for_update(no_key=True).filter(pk=failed.pk).first()
                # Elsewhere the write comes first: a transaction that began with a look could not write once others had.
                transitions.schedule_retries([retry], actor=actor, reason=reason)
                _check_still_whole(failed)
                notify_due()
        except IntegrityError as error:
            if not is_unique_violation(error):
                raise
        else:
            return retry
    # In a snapshot of the host's, the job in the way may be one that cannot be seen from there.
    raise ConcurrentChange if within_host else Busy


def retry_many(
    job_ids: Collection[int], *, actor: Actor = SYSTEM, reason: str = ""
) -> tuple[list[int], dict[int, RefusalReason]]:
    """Retry many, of any projects, in the caller's transaction; what is in the way of one spoils none of the others.

    Returns:
        the ids of those that are retried now, ascending, and of the others why not. An id in neither is of a job that
        somebody has locked, or that does not exist; try those again.
    """
    failed = list(skip_locked(Job.objects.filter(pk__in=job_ids)))
    refused = _refusals(failed)
    done = _one_of_each([job for job in failed if job.pk not in refused])
    if not _insert(done, actor, reason):  # one of them met a rival: each for itself
        done = [job for job in done if _insert([job], actor, reason)]
    if done:
        notify_due()
    ids = {job.pk for job in done}
    refused |= _refusals([job for job in failed if job.pk not in refused and job.pk not in ids])
    return sorted(ids), {pk: one.why for pk, one in refused.items()}


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
    )


def _one_of_each(jobs: Sequence[Job]) -> list[Job]:
    """Return, of those whose action is unique, the first for each reference; the others are in its way."""
    first: dict[Any, Job] = {}
    for job in jobs:
        first.setdefault(_key_of(job) if _is_unique(job) else job.pk, job)
    return list(first.values())


def _insert(failed: Sequence[Job], actor: Actor, reason: str) -> bool:
    """Insert a retry of each or, where a rival is in the way of one, of none; the transaction is as good as before."""
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


def _refusals(jobs: Sequence[Job]) -> dict[int, _Refused]:
    """Return, of those that cannot be retried, why; two queries, by the indexes that keep the rules."""
    # In this order: an active job that is a retry, and comes in between, is known for one.
    active = _active_rivals([job for job in jobs if job.status == Status.FAILED and _is_unique(job)])
    retried = dict(Job.objects.filter(retry_of__in=[job.pk for job in jobs]).values_list("retry_of_id", "pk"))
    found = {job.pk: _refusal(job, retried.get(job.pk), active.get(_key_of(job))) for job in jobs}
    return {pk: refused for pk, refused in found.items() if refused is not None}


def _refusal(job: Job, retried_by: int | None, rival: int | None) -> _Refused | None:
    if job.status != Status.FAILED:
        return _Refused(why=RefusalReason.NOT_FAILED)
    if retried_by is not None:
        return _Refused(why=RefusalReason.RETRIED, other_job_id=retried_by)
    if not job.reference_id:
        return _Refused(why=RefusalReason.REDACTED)
    if job.action == bulk_change.ACTION:
        return _Refused(why=RefusalReason.BULK_CHANGE)
    if find_action(job.action) is None:
        return _Refused(why=RefusalReason.UNKNOWN_ACTION)
    return None if rival is None else _Refused(why=RefusalReason.ACTIVE_JOB, other_job_id=rival)


def _active_rivals(jobs: Sequence[Job]) -> dict[tuple[Any, str, str], int]:
    """Return, by project, action and reference, the jobs that wait or run where at most one may."""
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


def _check_still_whole(failed: Job) -> None:
    """Refuse if the job was redacted or deleted since it was read: its reference would live on in the new one.

    Raises:
        JobNotFound, StepRefused: it was.
    """
    now = Job.objects.filter(pk=failed.pk).first()
    if now is None:
        raise JobNotFound(failed.pk)
    if now.reference_id != failed.reference_id:
        raise _as_error(failed, _Refused(why=RefusalReason.REDACTED))


def _as_error(job: Job, refused: _Refused) -> StepRefused:
    return StepRefused(job.pk, why=refused.why, status=Status(job.status), other_job_id=refused.other_job_id)
