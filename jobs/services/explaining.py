"""Why a job that waits does not run yet."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, Final, cast

from django.db.models import Max, Q, Subquery

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
    """A worker that is alive; the last beat of any was at ``since`` (None: there is none to be seen)."""
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
    if job.status != Status.SCHEDULED:
        return None
    if job.is_held:
        return Wait(what=Waiting.HELD, since=job.updated_at)
    if job.due_at > now:
        return Wait(what=Waiting.RETRY if job.attempt else Waiting.START_TIME, until=job.due_at)
    disabled_at, paused_at = _held_back_since(job)
    if disabled_at is not None:
        return Wait(what=Waiting.DISABLED, since=disabled_at)
    if paused_at is not None:
        return Wait(what=Waiting.PAUSED, since=paused_at)
    beat_at = _last_beat()
    if beat_at is None or beat_at < now - ALIVE_WITHIN:
        return Wait(what=Waiting.WORKER, since=beat_at)
    return Wait(what=Waiting.TURN)


def _held_back_since(job: Job) -> tuple[datetime | None, datetime | None]:
    """Return since when its organization is disabled, and since when the oldest pause covers it; in one query."""
    of_its_action = Q(action=None) | Q(action=job.action)
    of_its_project = Q(project=None) | Q(project=job.project_id)
    pauses = Pause.objects.filter(of_its_action, of_its_project).order_by("created_at").values("created_at")[:1]
    projects = cast("Any", get_project_model())._base_manager.using(home().alias).filter(pk=job.project_id)
    found = projects.values_list("organization__disabled_at", Subquery(pauses)).first()
    return found or (None, None)  # it is gone, and so is the job


def _last_beat() -> datetime | None:
    beat_at: datetime | None = Worker.objects.using(home().alias).aggregate(at=Max("beat_at"))["at"]
    return beat_at
