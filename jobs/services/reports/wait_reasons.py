"""Why a job that waits does not run yet."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, Final, cast

from django.db.models import QuerySet, Subquery

from ...db.connection import jobs_connection
from ...models import Job, Pause, Worker
from ...status import Status
from ..tenants.projects import get_project_model
from .health import Bounds

# The same measure by which people and monitors count workers.
ALIVE_WITHIN: Final = timedelta(seconds=Bounds.max_beat_age)


class Waiting(Enum):
    """What a job waits for."""

    HELD = auto()
    """To be resumed: staff have held it at ``since``, due or not."""
    START_TIME = auto()
    """The instant its creator asked for; ``until``."""
    RETRY = auto()
    """The instant at which it is tried again, after an attempt that did not end it; ``until``."""
    DISABLED = auto()
    """Its organization to be enabled again; it was disabled at ``since``."""
    PAUSED = auto()
    """The end of a pause that covers it, ``since`` when; of several, the oldest."""
    WORKER = auto()
    """A worker that is alive; the last beat of any was at ``since`` (None: there is none to be seen). A process of an
    engine does not count unless a dispatcher lives, which wakes it."""
    TURN = auto()
    """Its turn: it is due, and workers are alive."""


@dataclass(frozen=True, kw_only=True)
class Wait:
    """The answer; both instants are facts of the database and none is counted from now, so it stays the same."""

    what: Waiting
    until: datetime | None = None
    since: datetime | None = None


def explain_wait(job: Job, *, now: datetime) -> Wait | None:
    """Return why ``job`` does not run yet at ``now``, the database's time; None: it runs or has ended.

    The first that holds counts, in the order of :class:`Waiting`: of a job that is not
    due it would be idle to say that today nobody could run it. At most two queries.
    """
    return explain_waits([job], now=now).get(job.pk)


def explain_waits(jobs: Collection[Job], *, now: datetime) -> dict[int, Wait]:
    """Return the same of many jobs, by id, without those that run or have ended; two queries at the most."""
    waiting = [job for job in jobs if job.status == Status.SCHEDULED]
    waits = {job.pk: wait for job in waiting if (wait := _wait_for_an_instant(job, now)) is not None}
    due = [job for job in waiting if job.pk not in waits]
    return waits | _waits_of_due(due, now) if due else waits


def _wait_for_an_instant(job: Job, now: datetime) -> Wait | None:
    if job.is_held:
        return Wait(what=Waiting.HELD, since=job.held_at)
    if job.due_at > now:
        return Wait(what=Waiting.RETRY if job.attempt else Waiting.START_TIME, until=job.due_at)
    return None


def _waits_of_due(jobs: Collection[Job], now: datetime) -> dict[int, Wait]:
    disabled, beat_at = _disabled_and_last_beat(jobs)
    pauses = list(Pause.objects.values_list("action", "project_id", "created_at"))
    nobody = beat_at is None or beat_at < now - ALIVE_WITHIN
    others = Wait(what=Waiting.WORKER, since=beat_at) if nobody else Wait(what=Waiting.TURN)
    waits = {}
    for job in jobs:
        paused = [at for action, project, at in pauses if _covers(action, project, job)]
        if job.project_id in disabled:
            waits[job.pk] = Wait(what=Waiting.DISABLED, since=disabled[job.project_id])
        elif paused:
            waits[job.pk] = Wait(what=Waiting.PAUSED, since=min(paused))
        else:
            waits[job.pk] = others
    return waits


def _covers(action: str | None, project: Any, job: Job) -> bool:
    return action in (None, job.action) and project in (None, job.project_id)


def _disabled_and_last_beat(jobs: Collection[Job]) -> tuple[dict[Any, datetime], datetime | None]:
    """Return, in one query, since when the projects' organizations are disabled, where they are; and the last beat."""
    rows = cast("Any", get_project_model())._base_manager.using(jobs_connection().alias)
    beats = [_last_beat_of(kind) for kind in Worker.Kind]
    of_these = rows.filter(pk__in={job.project_id for job in jobs})
    found = list(of_these.values_list("pk", "organization__disabled_at", *[Subquery(beat) for beat in beats]))
    disabled = {project: disabled_at for project, disabled_at, *_ in found if disabled_at is not None}
    # A job that is not stored yet may be of a project that is not, either.
    beaten = found[0][2:] if found else [beat.values_list("beat_at", flat=True).first() for beat in beats]
    return disabled, _last_beat(dict(zip(Worker.Kind, beaten, strict=True)))


def _last_beat_of(kind: Worker.Kind) -> QuerySet[Worker, Any]:
    return Worker.objects.filter(kind=kind).order_by("-beat_at").values("beat_at")[:1]


def _last_beat(beats: dict[Worker.Kind, datetime | None]) -> datetime | None:
    """Return when something that would run the job was last seen to live; an engine needs a dispatcher."""
    woken = [beats[Worker.Kind.ENGINE], beats[Worker.Kind.DISPATCHER]]
    either = [beats[Worker.Kind.WORKER], None if None in woken else min(filter(None, woken))]
    return max(filter(None, either), default=None)
