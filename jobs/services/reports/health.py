"""Whether jobs get done: a snapshot for people and monitors, and what in it is beyond bounds.

Names actions, projects by their key, workers and job ids; never a reference or a text
that an integrator sent.
"""

import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from functools import cache
from importlib import import_module
from typing import Any, Final

from django.db import Error
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Count, Q

from ... import conf
from ...db import clock
from ...db.connection import jobs_connection
from ...models import Job, JobQuerySet, Pause, Worker
from ...status import Status
from ..commands.pauses import list_pauses

FAILURES_WITHIN: Final = timedelta(hours=1)
# A count looks at one job more; a crash loop leaves a row a start among the workers, and hides no dispatcher.
MOST_COUNTED: Final = 10_000
MOST_WORKERS: Final = 100
# A rescue takes a beat, a second and a sweep; with a few seconds to spare.
RESCUE_SLACK: Final = timedelta(seconds=5)


@dataclass(frozen=True, kw_only=True)
class Late:
    """A job and for how many seconds it has been waiting beyond its due time, or running."""

    job_id: int
    action: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Beat:
    """A worker and the seconds since its last beat."""

    worker: str
    started_at: datetime
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What is still healthy; durations in seconds."""

    max_overdue: float = 300
    """Of the oldest job that is due and not held back."""
    max_beat_age: float = 60
    """Of a worker that counts as alive."""
    min_workers: int = 1
    """Workers alive."""
    max_expired: int = 0
    """Running jobs whose lease ran out so long ago that somebody should have rescued them."""
    max_failures: int = 10
    """Jobs that became ``failed`` within the last hour."""


class Concern(Enum):
    """Something that is beyond its bound."""

    OVERDUE = auto()
    WORKERS = auto()
    DISPATCHERS = auto()
    """None lives, though an engine is to be handed jobs."""
    UNRESCUED = auto()
    FAILURES = auto()


@dataclass(frozen=True, kw_only=True)
class Health:
    """What one look saw, by the database's clock ``checked_at``; ``None`` where there is no such job."""

    checked_at: datetime
    oldest_overdue: Late | None
    """Due and claimable."""
    oldest_paused: Late | None
    """Due, but held by a pause, or as its organization is disabled."""
    oldest_running: Late | None
    """Since its attempt was begun; jobs that stand in a worker's line do not run yet."""
    expired_leases: int
    """Those that a sweep will find, also of workers that died a moment ago."""
    unrescued: int
    """Those of them that the sweep of a living worker would have found."""
    dispatchers: Sequence[Beat]
    """Processes that hand jobs to an engine and run none; the latest beats first, at most ``MOST_WORKERS``."""
    workers: Sequence[Beat]
    """Processes that run jobs, also those of an engine that the host has. The latest beats first, at most
    ``MOST_WORKERS``; one that ended orderly is not among them."""
    failures: int
    """Within the last hour; above ``MOST_COUNTED`` stands for "or more than that"."""
    pauses: Sequence[Pause]

    def concerns(self, bounds: Bounds) -> list[Concern]:
        """Return what is beyond ``bounds``; empty: healthy."""
        overdue = self.oldest_overdue
        beyond = {
            Concern.OVERDUE: overdue is not None and overdue.seconds > bounds.max_overdue,
            Concern.WORKERS: self.alive(bounds) < bounds.min_workers,
            Concern.DISPATCHERS: conf.current().task_backend is not None and not _alive(self.dispatchers, bounds),
            Concern.UNRESCUED: self.unrescued > bounds.max_expired,
            Concern.FAILURES: self.failures > bounds.max_failures,
        }
        return [concern for concern, is_beyond in beyond.items() if is_beyond]

    def problems(self, bounds: Bounds) -> list[str]:
        """Return a sentence for each of the :meth:`concerns`, for monitors and logs."""
        return [self._sentence(concern, bounds) for concern in self.concerns(bounds)]

    def _sentence(self, concern: Concern, bounds: Bounds) -> str:
        overdue = self.oldest_overdue
        if concern is Concern.OVERDUE and overdue is not None:
            late = f"job {overdue.job_id} ({overdue.action}) is {overdue.seconds:.0f} s overdue"
            return f"{late}; at most {bounds.max_overdue:g} s are allowed"
        if concern is Concern.WORKERS:
            wanted = f"with a beat in the last {bounds.max_beat_age:g} s, {bounds.min_workers} wanted"
            return f"workers alive: {self.alive(bounds)} {wanted}"
        if concern is Concern.DISPATCHERS:
            return f"dispatchers alive: 0 with a beat in the last {bounds.max_beat_age:g} s, 1 wanted"
        if concern is Concern.UNRESCUED:
            return f"expired leases that nobody rescued: {self.unrescued}, {bounds.max_expired} allowed"
        return f"failures in the last hour: {_capped(self.failures)}, {bounds.max_failures} allowed"

    def alive(self, bounds: Bounds) -> int:
        """Return how many workers have beaten within ``bounds.max_beat_age``."""
        return _alive(self.workers, bounds)


def check_health() -> Health:
    """Look once: nine queries, each served by an index or a table of few rows, in no transaction.

    Only the search for the oldest overdue job may read further: past those that are held back.
    """
    now = clock.read(jobs_connection())
    paused = Pause.objects.in_force()
    due = Job.objects.due().order_by("due_at", "pk")
    running = Job.objects.filter(status=Status.RUNNING)
    unrescued = Q(lease_expires_at__lt=now - _time_to_rescue())
    expired = Job.objects.expired().aggregate(all=Count("pk"), unrescued=Count("pk", filter=unrescued))
    failed = Job.objects.filter(status=Status.FAILED, finished_at__gte=now - FAILURES_WITHIN)
    dispatchers = Q(kind=Worker.Kind.DISPATCHER)
    return Health(
        checked_at=now,
        oldest_overdue=_first(paused.leave_out(due), "due_at", now),
        oldest_paused=_first(paused.keep(due), "due_at", now),
        oldest_running=_first(running.filter(begun_at__isnull=False).order_by("begun_at", "pk"), "begun_at", now),
        expired_leases=expired["all"],
        unrescued=expired["unrescued"],
        dispatchers=_beats(dispatchers, now),
        workers=_beats(~dispatchers, now),
        failures=failed.order_by()[: MOST_COUNTED + 1].count(),
        pauses=list_pauses(),
    )


def _time_to_rescue() -> timedelta:
    settings = conf.current()
    return settings.beat + timedelta(seconds=settings.sweep_seconds) + RESCUE_SLACK


def _first(jobs: JobQuerySet, since: str, now: datetime) -> Late | None:
    row: Any = jobs.values_list("pk", "action", since).first()
    return None if row is None else Late(job_id=row[0], action=row[1], seconds=_seconds(now - row[2]))


def _beats(which: Q, now: datetime) -> list[Beat]:
    latest = Worker.objects.using(jobs_connection().alias).filter(which).order_by("-beat_at")[:MOST_WORKERS]
    return [Beat(worker=w.name, started_at=w.started_at, seconds=_seconds(now - w.beat_at)) for w in latest]


def _alive(beats: Sequence[Beat], bounds: Bounds) -> int:
    return sum(beat.seconds <= bounds.max_beat_age for beat in beats)


def _seconds(duration: timedelta) -> float:
    # The row may be a moment younger than the reading of the clock.
    return max(0.0, round(duration.total_seconds(), 1))


def _capped(count: int) -> str:
    return f"more than {MOST_COUNTED}" if count > MOST_COUNTED else str(count)


def is_ready() -> bool:
    """Whether the jobs' database answers and all migrations of ``jobs`` are applied; one query."""
    connection = jobs_connection()
    try:
        recorded = MigrationRecorder(connection).migration_qs.filter(app="jobs")
        applied = set(recorded.values_list("name", flat=True))
    except Error:
        return False
    return _migrations() <= applied


@cache
def _migrations() -> frozenset[str]:
    """Return the names of the migrations on disk; none where the host has switched them off."""
    module, _explicit = MigrationLoader.migrations_module("jobs")
    if module is None:
        return frozenset()
    found = pkgutil.iter_modules(import_module(module).__path__)
    return frozenset(entry.name for entry in found if not entry.ispkg and entry.name[0] not in "_~")
