"""Why a job that waits does not run yet."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, Final, cast

from django.db.models import Max

from ..database import home
from ..models import Job, Pause, Worker
from ..status import Status
from .health import Bounds
from .projects import get_project_model

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
    due it would be idle to say that today nobody could run it. At most three queries.
    """
    return explain_waits([job], now=now).get(job.pk)


def explain_waits(jobs: Collection[Job], *, now: datetime) -> dict[int, Wait]:
    """Return the same of many jobs, by id, without those that run or have ended; three queries at the most."""
    waiting = [job for job in jobs if job.status == Status.SCHEDULED]
    waits = {job.pk: wait for job in waiting if (wait := _wait_for_an_instant(job, now)) is not None}
    due = [job for job in waiting if job.pk not in waits]
    return waits | _waits_of_due(due, now) if due else waits


def _wait_for_an_instant(job: Job, now: datetime) -> Wait | None:
    if job.is_held:
        return Wait(what=Waiting.HELD, since=job.updated_at)
    if job.due_at > now:
        return Wait(what=Waiting.RETRY if job.attempt else Waiting.START_TIME, until=job.due_at)
    return None


def _waits_of_due(jobs: Collection[Job], now: datetime) -> dict[int, Wait]:
    disabled = _disabled_at(jobs)
    pauses = list(Pause.objects.values_list("action", "project_id", "created_at"))
    beat_at = _last_beat()
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


def _disabled_at(jobs: Collection[Job]) -> dict[Any, datetime]:
    """Return since when the organizations of these jobs' projects are disabled, by project, where they are."""
    rows = cast("Any", get_project_model())._base_manager.using(home().alias)
    disabled = rows.filter(pk__in={job.project_id for job in jobs}, organization__disabled_at__isnull=False)
    return dict(disabled.values_list("pk", "organization__disabled_at"))


def _last_beat() -> datetime | None:
    """Return when something that would run the job was last seen to live."""
    rows = Worker.objects.using(home().alias).order_by().values_list("kind").annotate(at=Max("beat_at"))
    beats: dict[str, datetime] = dict(rows)
    woken = [beats.get(kind) for kind in (Worker.Kind.ENGINE, Worker.Kind.DISPATCHER)]
    either = [beats.get(Worker.Kind.WORKER), None if None in woken else min(filter(None, woken))]
    return max(filter(None, either), default=None)
