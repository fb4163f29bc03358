"""The health of the installation: a snapshot for people and monitors, and its problems.

It names actions, projects by their key, workers and job ids; never a reference or a text
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
from django.db.models import Count, Max, Q

from ... import conf
from ...db import clock
from ...db.connection import jobs_connection, request_limit
from ...db.proof import prove
from ...models import Job, JobQuerySet, Pause, Worker
from ...status import Status
from ..commands.pauses import list_pauses

FAILURES_WITHIN: Final = timedelta(hours=1)
# A count reads one job more. A crash loop leaves a worker's row for each start, which must not hide a dispatcher.
MOST_COUNTED: Final = 10_000
MOST_WORKERS: Final = 100
# A rescue takes a heartbeat, a second and a sweep; this is to spare.
RESCUE_SLACK: Final = timedelta(seconds=5)


@dataclass(frozen=True, kw_only=True)
class JobAge:
    """A job, and for how many seconds it has been overdue or running."""

    job_id: int
    action: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class InterruptedJob:
    """A job, and how many of its attempts were interrupted although the database answers."""

    job_id: int
    action: str
    interruptions: int


@dataclass(frozen=True, kw_only=True)
class LastHeartbeat:
    """A process, and the seconds since its last heartbeat."""

    worker: str
    started_at: datetime
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What is still healthy; durations in seconds."""

    max_overdue: float = 300
    """Of the oldest job that is due and neither paused nor of a disabled organization."""
    max_beat_age: float = 60
    """Of a worker that counts as alive."""
    max_idle: float = 120
    """How long workers that are alive may end and advance no job, although one is due for as long."""
    min_workers: int = 1
    """Workers alive."""
    max_expired: int = 0
    """Running jobs whose lease ran out so long ago that a worker should have rescued them."""
    max_failures: int = 10
    """Jobs that became ``failed`` within the last hour."""
    max_interruptions: int = 4
    """Of a job that waits or runs: attempts that were interrupted although the database answers."""


class HealthProblem(Enum):
    """A value that is beyond its bound."""

    OVERDUE = auto()
    WORKERS = auto()
    IDLE = auto()
    """Workers are alive and a job is due, but none ends and none advances."""
    DISPATCHERS = auto()
    """None is alive, although ``TASK_BACKEND`` names an engine."""
    UNRESCUED = auto()
    FAILURES = auto()
    GOING_ROUND = auto()
    """A job is interrupted again and again."""


@dataclass(frozen=True, kw_only=True)
class Health:
    """A snapshot at ``checked_at``, by the database's clock; ``None`` if there is no such job."""

    checked_at: datetime
    oldest_overdue: JobAge | None
    """Due and claimable."""
    oldest_paused: JobAge | None
    """Due, but paused, or of a disabled organization."""
    idle_seconds: float
    """Since a worker last ended or advanced a job; ``FAILURES_WITHIN`` if that is longer ago."""
    oldest_running: JobAge | None
    """Since its attempt was begun; jobs in a worker's buffer do not run yet."""
    most_interrupted: InterruptedJob | None
    """Of the jobs that wait or run."""
    expired_leases: int
    """All, also of workers that died a moment ago."""
    unrescued: int
    """Those that a living worker would have rescued by now."""
    dispatchers: Sequence[LastHeartbeat]
    """Processes that dispatch jobs to an engine; the latest heartbeats first, at most ``MOST_WORKERS``."""
    workers: Sequence[LastHeartbeat]
    """Processes that run jobs, also those of an engine. The latest heartbeats first, at most ``MOST_WORKERS``; without
    those that ended orderly."""
    failures: int
    """Within the last hour; a number above ``MOST_COUNTED`` stands for more than that."""
    pauses: Sequence[Pause]

    def problems(self, bounds: Bounds) -> list[HealthProblem]:
        """Return what is beyond ``bounds``; empty: healthy."""
        overdue, interrupted = self.oldest_overdue, self.most_interrupted
        beyond = {
            HealthProblem.OVERDUE: overdue is not None and overdue.seconds > bounds.max_overdue,
            HealthProblem.WORKERS: self.alive(bounds) < bounds.min_workers,
            HealthProblem.IDLE: self._is_idle(bounds),
            HealthProblem.DISPATCHERS: conf.current().task_backend is not None and not _alive(self.dispatchers, bounds),
            HealthProblem.UNRESCUED: self.unrescued > bounds.max_expired,
            HealthProblem.FAILURES: self.failures > bounds.max_failures,
            HealthProblem.GOING_ROUND: interrupted is not None and interrupted.interruptions > bounds.max_interruptions,
        }
        return [problem for problem, is_beyond in beyond.items() if is_beyond]

    def describe_problems(self, bounds: Bounds) -> list[str]:
        """Return a sentence for each of the :meth:`problems`, for monitors and logs."""
        return [self._sentence(problem, bounds) for problem in self.problems(bounds)]

    def _sentence(self, problem: HealthProblem, bounds: Bounds) -> str:
        overdue, interrupted = self.oldest_overdue, self.most_interrupted
        if problem is HealthProblem.GOING_ROUND and interrupted is not None:
            times = f"was interrupted {interrupted.interruptions} times although the database answers"
            goes_round = f"job {interrupted.job_id} ({interrupted.action}) goes round"
            return f"{goes_round}: it {times}, {bounds.max_interruptions} allowed"
        if problem is HealthProblem.OVERDUE and overdue is not None:
            late = f"job {overdue.job_id} ({overdue.action}) is {overdue.seconds:.0f} s overdue"
            return f"{late}; at most {bounds.max_overdue:g} s are allowed"
        if problem is HealthProblem.WORKERS:
            wanted = f"with a beat in the last {bounds.max_beat_age:g} s, {bounds.min_workers} wanted"
            return f"workers alive: {self.alive(bounds)} {wanted}"
        if problem is HealthProblem.IDLE:
            idle = f"workers are alive and jobs are due, but for {self.idle_seconds:.0f} s none ended or advanced"
            return f"{idle}; at most {bounds.max_idle:g} s are allowed"
        if problem is HealthProblem.DISPATCHERS:
            return f"dispatchers alive: 0 with a beat in the last {bounds.max_beat_age:g} s, 1 wanted"
        if problem is HealthProblem.UNRESCUED:
            return f"expired leases that nobody rescued: {self.unrescued}, {bounds.max_expired} allowed"
        failures = f"more than {MOST_COUNTED}" if self.failures > MOST_COUNTED else self.failures
        return f"failures in the last hour: {failures}, {bounds.max_failures} allowed"

    def alive(self, bounds: Bounds) -> int:
        """Return how many workers sent a heartbeat within ``bounds.max_beat_age``."""
        return _alive(self.workers, bounds)

    def _is_idle(self, bounds: Bounds) -> bool:
        due = self.oldest_overdue is not None and self.oldest_overdue.seconds > bounds.max_idle
        since = self.checked_at - timedelta(seconds=bounds.max_idle)
        lived = any(beat.seconds <= bounds.max_beat_age and beat.started_at < since for beat in self.workers)
        return due and lived and self.idle_seconds > bounds.max_idle


def check_health() -> Health:
    """Take a snapshot: twelve queries, each on an index or a table of few rows, in no transaction.

    Only the query for the oldest overdue job may read more: it skips paused jobs.
    """
    now = clock.read(jobs_connection())
    paused = Pause.objects.in_force()
    due = Job.objects.due().order_by("due_at", "pk")
    running = Job.objects.filter(status=Status.RUNNING)
    unrescued = Q(lease_expires_at__lt=now - _time_to_rescue())
    leases = running.aggregate(
        expired=Count("pk", filter=Q(lease_expires_at__lt=now)),
        unrescued=Count("pk", filter=unrescued),
        progress_at=Max("progress_at"),
    )
    failed = Job.objects.filter(status=Status.FAILED, finished_at__gte=now - FAILURES_WITHIN)
    dispatchers = Q(kind=Worker.Kind.DISPATCHER)
    return Health(
        checked_at=now,
        oldest_overdue=_first(paused.leave_out(due), "due_at", now),
        oldest_paused=_first(paused.keep(due), "due_at", now),
        idle_seconds=_idle_seconds(leases["progress_at"], now),
        oldest_running=_first(running.filter(begun_at__isnull=False).order_by("begun_at", "pk"), "begun_at", now),
        expired_leases=leases["expired"],
        unrescued=leases["unrescued"],
        most_interrupted=_most_interrupted(),
        dispatchers=_heartbeats(dispatchers, now),
        workers=_heartbeats(~dispatchers, now),
        failures=failed.order_by()[: MOST_COUNTED + 1].count(),
        pauses=list_pauses(),
    )


def _time_to_rescue() -> timedelta:
    settings = conf.current()
    return settings.beat + timedelta(seconds=settings.sweep_seconds) + RESCUE_SLACK


def _first(jobs: JobQuerySet, since: str, now: datetime) -> JobAge | None:
    row: Any = jobs.values_list("pk", "action", since).first()
    return None if row is None else JobAge(job_id=row[0], action=row[1], seconds=_seconds(now - row[2]))


def _idle_seconds(progress_at: datetime | None, now: datetime) -> float:
    """Return for how long no running job has advanced and none was completed or has failed."""
    ended = Job.objects.filter(finished_at__gte=now - FAILURES_WITHIN).exclude(reference_id="")
    last_end = ended.exclude(status=Status.CANCELLED).order_by("-finished_at").values_list("finished_at", flat=True)
    latest = max(filter(None, [last_end.first(), progress_at, now - FAILURES_WITHIN]))
    return _seconds(now - latest)


def _most_interrupted() -> InterruptedJob | None:
    rows = Job.objects.active().filter(interruptions__gt=0).order_by("-interruptions")
    row: Any = rows.values_list("pk", "action", "interruptions").first()
    return None if row is None else InterruptedJob(job_id=row[0], action=row[1], interruptions=row[2])


def _heartbeats(which: Q, now: datetime) -> list[LastHeartbeat]:
    latest = Worker.objects.using(jobs_connection().alias).filter(which).order_by("-beat_at")[:MOST_WORKERS]
    return [LastHeartbeat(worker=w.name, started_at=w.started_at, seconds=_seconds(now - w.beat_at)) for w in latest]


def _alive(beats: Sequence[LastHeartbeat], bounds: Bounds) -> int:
    return sum(beat.seconds <= bounds.max_beat_age for beat in beats)


def _seconds(duration: timedelta) -> float:
    # The row may be a moment younger than the time that was read before it.
    return max(0.0, round(duration.total_seconds(), 1))


def is_ready() -> bool:
    """Whether the jobs' database answers, is the one at its path, and has all migrations of ``jobs``; one query."""
    connection = jobs_connection()
    try:
        with request_limit():
            prove(connection)
            recorded = MigrationRecorder(connection).migration_qs.filter(app="jobs")
            applied = set(recorded.values_list("name", flat=True))
    except Error:
        return False
    return _migrations() <= applied


@cache
def _migrations() -> frozenset[str]:
    """Return the names of the migrations on disk; none if the host has switched them off."""
    module, _explicit = MigrationLoader.migrations_module("jobs")
    if module is None:
        return frozenset()
    found = pkgutil.iter_modules(import_module(module).__path__)
    return frozenset(entry.name for entry in found if not entry.ispkg and entry.name[0] not in "_~")
