"""Schedule many jobs at once, all or none."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from django.db import models
from django.db.models import Q

from ... import conf
from ...actors import Actor
from ...db import clock
from ...db.connection import jobs_connection
from ...exceptions import BatchConflict, Conflict, InvalidField
from ...models import Job
from ..validation import MOST_REPORTED, collected, raise_first
from .idempotency import IdempotentRequest, Scheduled
from .insert import insert_jobs
from .schedule import NewJob, prepare_job

MOST_JOBS: Final = conf.FULL_BATCH

Unique = tuple[str, str | None]
"""What only one active job of a project may have: action and unique key."""


def request_jobs(
    read: Callable[[], Sequence[NewJob]],
    *,
    project: models.Model,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> Scheduled:
    """Create all jobs that ``read`` returns, or none; return those that ``request`` created before, without ``read``.

    The answer has them in the order of ``read``, whatever their ids.

    Raises:
        UnknownAction, InvalidField: as in ``schedule_job``; ``place`` tells the member, ``jobs[3]``.
        BatchConflict: jobs of unique actions have an active job, or stand in the batch twice; names all of them.
        IdempotencyKeyReused: the key of the request came with another body, or to another endpoint.
        Busy, ConcurrentChange, OutcomeUnknown: as in ``schedule_job``.
    """

    def prepare() -> Sequence[Job]:
        new_jobs = read()
        if not 1 <= len(new_jobs) <= MOST_JOBS:
            raise InvalidField("jobs", f"must be 1 to {MOST_JOBS:,} jobs")
        now = clock.read(jobs_connection())
        jobs = []
        problems: list[InvalidField] = []
        for index, new_job in enumerate(new_jobs):
            with collected(problems):
                jobs.append(_prepare_member(index, new_job, project, now))
            if len(problems) >= MOST_REPORTED:
                break
        raise_first(problems)
        return jobs

    return insert_jobs(prepare, project=project, actor=actor, request=request, refuse_conflicts=_refuse_conflicts)


def _prepare_member(index: int, new_job: NewJob, project: models.Model, now: datetime) -> Job:
    try:
        if new_job.expect is not None:
            raise InvalidField("expect", "is for single jobs; leave it out in a batch")
        return prepare_job(new_job, project=project, now=now)
    except InvalidField as error:
        raise error.within(f"jobs[{index}]") from None


def _refuse_conflicts(jobs: Sequence[Job]) -> None:
    active, duplicates = _active(jobs), _duplicates(jobs)
    conflicts = []
    for index, job in enumerate(jobs):
        job_id, same_as = active.get(_unique(job)), duplicates.get(index)
        if job_id is not None:
            conflicts.append(Conflict(index=index, job_id=job_id))
        elif same_as is not None:
            conflicts.append(Conflict(index=index, same_as=same_as))
    if conflicts:
        raise BatchConflict(tuple(conflicts), size=len(jobs)) from None


def _active(jobs: Sequence[Job]) -> dict[Unique, int]:
    """Return the ids of the active jobs that prevent some of these."""
    keys = defaultdict(set)
    for job in jobs:
        if job.unique_key is not None:
            keys[job.action].add(job.unique_key)
    if not keys:
        return {}
    any_of = Q.create([Q(action=action, unique_key__in=found) for action, found in keys.items()], connector=Q.OR)
    rows = Job.objects.in_project(jobs[0].project).active().filter(any_of)
    return {(action, key): pk for action, key, pk in rows.values_list("action", "unique_key", "pk")}


def _duplicates(jobs: Sequence[Job]) -> dict[int, int]:
    """Return the indexes of jobs that are in the batch twice, each with the index of the first of them."""
    first: dict[Unique, int] = {}
    duplicates = {}
    for index, job in enumerate(jobs):
        if job.unique_key is not None and first.setdefault(_unique(job), index) != index:
            duplicates[index] = first[_unique(job)]
    return duplicates


def _unique(job: Job) -> Unique:
    return job.action, job.unique_key
