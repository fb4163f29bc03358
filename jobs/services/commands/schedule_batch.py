"""Schedule many jobs at once, all or none."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from django.db import models
from django.db.models import Q

from ...actors import Actor
from ...db import clock
from ...db.connection import home
from ...exceptions import BatchConflict, Conflict, InvalidField
from ...models import Job
from .idempotency import IdempotentRequest, Scheduled
from .insert import insert_jobs
from .schedule import Wanted, prepare_job

MOST_JOBS: Final = 1000

Unique = tuple[str, str | None]
"""What only one active job of a project may have: action and unique key."""


def request_jobs(
    wanted: Sequence[Wanted], *, project: models.Model, actor: Actor, call: IdempotentRequest | None = None
) -> Scheduled:
    """Create a job for each member of ``wanted``, or none at all; a repeated ``call`` gets what the first one created.

    The answer has them in the order of ``wanted``, whatever their ids.

    Raises:
        UnknownAction, InvalidField: as in ``schedule_job``; ``place`` tells the member, ``jobs[3]``.
        BatchConflict: jobs of unique actions have an active job, or stand in the batch twice; names all of them.
        IdempotencyKeyReused: a rival has used the key of the call for something else.
        Busy, ConcurrentChange: as in ``schedule_job``.
    """
    if not 1 <= len(wanted) <= MOST_JOBS:
        raise InvalidField("jobs", f"must be 1 to {MOST_JOBS:,} jobs")
    now = clock.read(home())
    jobs = [_prepare(index, one, project, now) for index, one in enumerate(wanted)]
    if _doubles(jobs):
        # The insert would fail; this tells those that are in the way of it outside the batch, too.
        _refuse_conflicts(jobs)
    return insert_jobs(jobs, project=project, actor=actor, call=call, refuse_conflicts=_refuse_conflicts)


def _prepare(index: int, wanted: Wanted, project: models.Model, now: datetime) -> Job:
    try:
        return prepare_job(wanted, project=project, now=now)
    except InvalidField as error:
        raise error.within(f"jobs[{index}]") from None


def _refuse_conflicts(jobs: Sequence[Job]) -> None:
    active, doubles = _active(jobs), _doubles(jobs)
    conflicts = []
    for index, job in enumerate(jobs):
        job_id, same_as = active.get(_unique(job)), doubles.get(index)
        if job_id is not None:
            conflicts.append(Conflict(index=index, job_id=job_id))
        elif same_as is not None:
            conflicts.append(Conflict(index=index, same_as=same_as))
    if conflicts:
        raise BatchConflict(tuple(conflicts), size=len(jobs)) from None


def _active(jobs: Sequence[Job]) -> dict[Unique, int]:
    """Return the ids of the active jobs that are in the way of these."""
    keys = defaultdict(set)
    for job in jobs:
        if job.unique_key is not None:
            keys[job.action].add(job.unique_key)
    if not keys:
        return {}
    any_of_them = Q.create([Q(action=action, unique_key__in=found) for action, found in keys.items()], connector=Q.OR)
    rows = Job.objects.in_project(jobs[0].project).active().filter(any_of_them)
    return {(action, key): pk for action, key, pk in rows.values_list("action", "unique_key", "pk")}


def _doubles(jobs: Sequence[Job]) -> dict[int, int]:
    """Return the places of jobs that stand in the batch already, each with the place of the first of them."""
    first: dict[Unique, int] = {}
    doubles = {}
    for index, job in enumerate(jobs):
        if job.unique_key is not None and first.setdefault(_unique(job), index) != index:
            doubles[index] = first[_unique(job)]
    return doubles


def _unique(job: Job) -> Unique:
    return job.action, job.unique_key
