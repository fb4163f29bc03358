"""Explains why a scheduled job does not run yet."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, Final, cast

from django.db.models import Subquery

from ...db.connection import jobs_connection
from ...models import Job, Pause, Worker
from ...status import Status
from ..tenants.projects import get_project_model
from .health import Bounds

# A worker with a heartbeat within this time counts as alive, as in health checks.
ALIVE_WITHIN: Final = timedelta(seconds=Bounds.max_beat_age)


class WaitReason(Enum):
    """Why a job waits."""

    HELD = auto()
    """Staff hold it, since ``since``; it waits to be resumed, due or not."""
    START_TIME = auto()
    """Its start is in the future, at ``until``."""
    RETRY = auto()
    """An attempt failed or was cut off; the next one is due at ``until``."""
    DISABLED = auto()
    """Its organization is disabled, since ``since``."""
    PAUSED = auto()
    """A pause covers it, since ``since``; of several pauses, the oldest."""
    WORKER = auto()
    """No worker is alive; the last heartbeat of any was at ``since`` (None: there is none). A process of an engine
    counts only if a dispatcher is alive, which sends it jobs."""
    TURN = auto()
    """It is due, and workers are alive; other jobs come first."""


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Why a job waits; the instants are stored ones, so the answer does not change from call to call."""

    reason: WaitReason
    until: datetime | None = None
    since: datetime | None = None


def explain_wait(job: Job, *, now: datetime) -> Wait | None:
    """Return why ``job`` does not run yet at ``now``, the database's time; None: it runs or has ended.

    The first reason that applies, in the order of :class:`WaitReason`. At most two queries.
    """
    return explain_waits([job], now=now).get(job.pk)


def explain_waits(jobs: Collection[Job], *, now: datetime) -> dict[int, Wait]:
    """Return the same for many jobs, by id, without those that run or have ended; at most two queries."""
    waiting = [job for job in jobs if job.status == Status.SCHEDULED]
    waits = {job.pk: wait for job in waiting if (wait := _wait_for_an_instant(job, now)) is not None}
    due = [job for job in waiting if job.pk not in waits]
    return waits | _waits_of_due(due, now) if due else waits


def _wait_for_an_instant(job: Job, now: datetime) -> Wait | None:
    if job.is_held:
        return Wait(reason=WaitReason.HELD, since=job.held_at)
    if job.due_at > now:
        return Wait(reason=WaitReason.RETRY if job.attempt else WaitReason.START_TIME, until=job.due_at)
    return None


def _waits_of_due(jobs: Collection[Job], now: datetime) -> dict[int, Wait]:
    disabled, beat_at = _disabled_and_last_beat(jobs)
    pauses = list(Pause.objects.values_list("action", "project_id", "created_at"))
    is_nobody_alive = beat_at is None or beat_at < now - ALIVE_WITHIN
    default = Wait(reason=WaitReason.WORKER, since=beat_at) if is_nobody_alive else Wait(reason=WaitReason.TURN)
    waits = {}
    for job in jobs:
        paused = [at for action, project, at in pauses if _covers(action, project, job)]
        if job.project_id in disabled:
            waits[job.pk] = Wait(reason=WaitReason.DISABLED, since=disabled[job.project_id])
        elif paused:
            waits[job.pk] = Wait(reason=WaitReason.PAUSED, since=min(paused))
        else:
            waits[job.pk] = default
    return waits


def _covers(action: str | None, project: Any, job: Job) -> bool:
    return action in (None, job.action) and project in (None, job.project_id)


def _disabled_and_last_beat(jobs: Collection[Job]) -> tuple[dict[Any, datetime], datetime | None]:
    """Return, in one query, since when organizations are disabled, by project, and the last heartbeat."""
    rows = cast("Any", get_project_model())._base_manager.using(jobs_connection().alias)
    beats = [Worker.objects.filter(kind=kind).order_by("-beat_at").values("beat_at")[:1] for kind in Worker.Kind]
    projects = rows.filter(pk__in={job.project_id for job in jobs})
    found = list(projects.values_list("pk", "organization__disabled_at", *[Subquery(beat) for beat in beats]))
    disabled = {project: disabled_at for project, disabled_at, *_ in found if disabled_at is not None}
    # A job that is not stored yet may be of a project that is not stored, either.
    beaten = found[0][2:] if found else [beat.values_list("beat_at", flat=True).first() for beat in beats]
    return disabled, _last_beat(dict(zip(Worker.Kind, beaten, strict=True)))


def _last_beat(beats: dict[Worker.Kind, datetime | None]) -> datetime | None:
    """Return the last heartbeat of a process that can run jobs; one of an engine needs a dispatcher."""
    engine = [beats[Worker.Kind.ENGINE], beats[Worker.Kind.DISPATCHER]]
    either = [beats[Worker.Kind.WORKER], None if None in engine else min(filter(None, engine))]
    return max(filter(None, either), default=None)
