"""Why a job that waits does not run yet."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, Final, cast

from django.db.models import Max, Min, Q

from ..database import home
from ..models import Job, Pause, Worker
from ..status import Status
from .health import Bounds
from .projects import get_project_model

# The same measure by which people and monitors count workers.
ALIVE_WITHIN: Final = timedelta(seconds=Bounds.max_beat_age)


class Waiting(Enum):
    """What a job waits for."""

    START_TIME = auto()
    """The instant its creator asked for; ``until``."""
    RETRY = auto()
    """The instant at which it is tried again, after an attempt that did not end it; ``until``."""
    HELD = auto()
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
    if job.status != Status.SCHEDULED:
        return None
    if job.due_at > now:
        return Wait(what=Waiting.RETRY if job.attempt else Waiting.START_TIME, until=job.due_at)
    disabled_at = _disabled_at(job)
    if disabled_at is not None:
        return Wait(what=Waiting.HELD, since=disabled_at)
    paused_at = _paused_at(job)
    if paused_at is not None:
        return Wait(what=Waiting.PAUSED, since=paused_at)
    beat_at = _last_beat()
    if beat_at is None or beat_at < now - ALIVE_WITHIN:
        return Wait(what=Waiting.WORKER, since=beat_at)
    return Wait(what=Waiting.TURN)


def _disabled_at(job: Job) -> datetime | None:
    projects = cast("Any", get_project_model())._base_manager.using(home().alias).filter(pk=job.project_id)
    disabled_at: datetime | None = projects.values_list("organization__disabled_at", flat=True).first()
    return disabled_at


def _paused_at(job: Job) -> datetime | None:
    of_its_action = Q(action=None) | Q(action=job.action)
    of_its_project = Q(project=None) | Q(project=job.project_id)
    paused_at: datetime | None = Pause.objects.filter(of_its_action, of_its_project).aggregate(at=Min("created_at"))[
        "at"
    ]
    return paused_at


def _last_beat() -> datetime | None:
    """Return when something that would run the job was last seen to live."""
    rows = Worker.objects.using(home().alias).order_by().values_list("kind").annotate(at=Max("beat_at"))
    beats: dict[str, datetime] = dict(rows)
    woken = [beats.get(kind) for kind in (Worker.Kind.ENGINE, Worker.Kind.DISPATCHER)]
    either = [beats.get(Worker.Kind.WORKER), None if None in woken else min(filter(None, woken))]
    return max(filter(None, either), default=None)
