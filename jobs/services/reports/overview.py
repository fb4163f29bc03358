"""The report behind the admin's overview: health, counts by status, ended jobs, workers and failures.

Its cost does not grow with the number of jobs. Ended jobs come from the statistics that workers
write (:mod:`jobs.stats.rollup`); those that ended since are counted here, up to a bound.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final, cast

from django.db.models import F

from ...db.connection import jobs_connection, supports_row_locks
from ...models import Job, JobQuerySet, Statistic
from ...stats import rollup
from ...stats.rollup import BUCKET, Counts, percentile
from ...status import Status
from ..search.planner import Holds, pinned
from ..tenants.projects import get_project_model
from .health import MOST_COUNTED, Bounds, Health, check_health

# How many ended jobs one report counts; maintenance will count the older ones.
MOST_UNCOUNTED: Final = 50_000
MOST_RUNNING: Final = 500
LATEST_FAILURES: Final = 10


@dataclass(frozen=True, kw_only=True)
class Span:
    """The time that a report covers, and the length of its periods; both multiples of five minutes."""

    length: timedelta
    period: timedelta


SPANS: Final = {
    "1h": Span(length=timedelta(hours=1), period=BUCKET),
    "24h": Span(length=timedelta(hours=24), period=timedelta(minutes=30)),
    "7d": Span(length=timedelta(days=7), period=timedelta(hours=3)),
}


def _percentile(slots: str, share: float) -> "cached_property[timedelta | None]":
    return cached_property(lambda period: percentile(getattr(period.counts, slots), share))


@dataclass(frozen=True, kw_only=True)
class Period:
    """The jobs that ended in a time; a percentile is None if no job was measured."""

    since: datetime
    until: datetime
    counts: Counts

    @property
    def failure_share(self) -> float | None:
        """The share of failed jobs among those not cancelled, from 0 to 1; None if there are none."""
        not_cancelled = self.counts.completed + self.counts.failed
        return self.counts.failed / not_cancelled if not_cancelled else None

    # From the requested start to the first claim; of the last attempt, without cancelled jobs. Approximate.
    wait_median = _percentile("wait_slots", 0.5)
    wait_p95 = _percentile("wait_slots", 0.95)
    run_median = _percentile("run_slots", 0.5)
    run_p95 = _percentile("run_slots", 0.95)


@dataclass(frozen=True, kw_only=True)
class RunningJob:
    """A claimed job; ``begun_at`` is None while it waits in the worker's buffer."""

    job_id: int
    action: str
    begun_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class SeenWorker:
    """A worker and its claimed jobs; ``beat_seconds`` since its last heartbeat, None if there is no record."""

    name: str
    beat_seconds: float | None
    started_at: datetime | None
    is_alive: bool
    jobs: Sequence[RunningJob]


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A failed job; ``error`` may contain the reference."""

    job_id: int
    action: str
    project: str
    finished_at: datetime
    error: str
    """The first line."""
    reference: str
    """Only for masking the error; must not be shown."""


@dataclass(frozen=True, kw_only=True)
class Overview:
    """The report."""

    health: Health
    by_status: dict[Status, int]
    """A value above ``MOST_COUNTED`` means "more than that"."""
    periods: Sequence[Period]
    """From the span's beginning to now, in order; the last is not over."""
    total: Period
    incomplete_since: datetime | None
    """If set: the jobs that ended from here to ``complete_again`` are not all counted yet."""
    complete_again: datetime | None
    workers: Sequence[SeenWorker]
    running_unlisted: bool
    """Whether more jobs run than were read."""
    failures: Sequence[Failure]


def get_overview(span: Span) -> Overview:
    """Return the report: about twenty queries, each bounded, served by an index, or on a small table."""
    health = check_health()
    now = health.checked_at
    edges = _edges(span, now)
    uncounted = max(rollup.next_bucket(now), edges[0])
    tail_since, tail = _count_tail(uncounted)
    by_bucket = {**_counted(edges[0], uncounted), **tail}
    periods = _periods(edges, by_bucket)
    running = list(_running().values_list("worker", "pk", "action", "begun_at")[: MOST_RUNNING + 1])
    return Overview(
        health=health,
        by_status=_count_by_status(),
        periods=periods,
        total=Period(since=edges[0], until=now, counts=Counts.sum([period.counts for period in periods])),
        incomplete_since=None if tail_since is None else uncounted,
        complete_again=tail_since,
        workers=_workers(health, running[:MOST_RUNNING]),
        running_unlisted=len(running) > MOST_RUNNING,
        failures=_latest_failures(),
    )


def _edges(span: Span, now: datetime) -> list[datetime]:
    """Return where the periods begin: at whole multiples of their length, together at least as long as the span."""
    seconds = span.period.total_seconds()
    last = datetime.fromtimestamp(now.timestamp() // seconds * seconds, UTC)
    return [last - number * span.period for number in range(span.length // span.period, -1, -1)]


def _counted(since: datetime, until: datetime) -> dict[datetime, Counts]:
    columns = ("bucket_at", "completed", "failed", "cancelled", "run_slots", "wait_slots")
    rows = Statistic.objects.using(jobs_connection().alias).filter(bucket_at__gte=since, bucket_at__lt=until).order_by()
    return {
        at: Counts(completed=completed, failed=failed, cancelled=cancelled, run_slots=run, wait_slots=wait)
        for at, completed, failed, cancelled, run, wait in rows.values_list(*columns)
    }


def _count_tail(since: datetime) -> tuple[datetime | None, dict[datetime, Counts]]:
    """Count the jobs that ended since; if there are too many, the newest only, and return since when."""
    jobs = rollup.ended_jobs(since)
    newest = jobs.order_by("-finished_at").values_list("finished_at", flat=True)
    beyond = next(iter(newest[MOST_UNCOUNTED : MOST_UNCOUNTED + 1]), None)
    if beyond is None:
        return None, rollup.count_jobs(jobs)
    return beyond, rollup.count_jobs(jobs.filter(finished_at__gt=beyond))


def _periods(edges: list[datetime], by_bucket: dict[datetime, Counts]) -> list[Period]:
    length = edges[1] - edges[0]
    within: list[list[Counts]] = [[] for _ in edges]
    for bucket, counts in by_bucket.items():
        # A job may have ended after the clock was read: count it in the last period.
        within[min((bucket - edges[0]) // length, len(edges) - 1)].append(counts)
    return [
        Period(since=edge, until=edge + length, counts=Counts.sum(counts))
        for edge, counts in zip(edges, within, strict=True)
    ]


def _count_by_status() -> dict[Status, int]:
    """Count the jobs of each status, up to ``MOST_COUNTED + 1``."""
    if not supports_row_locks(jobs_connection()):  # SQLite scans an index for each
        by_project = Job.objects.order_by("project_id", "status", "pk")
        return {status: by_project.filter(status=status)[: MOST_COUNTED + 1].count() for status in Status}
    # In the order of their index, so that the planner must use it; else it may scan the table until it has found
    # enough of them, and if all lie at its end, it scans everything.
    waiting_or_ended = Job.objects.in_status_index().order_by("status", "pk")
    of_status = {status: waiting_or_ended.filter(Holds(pinned, "status", status)) for status in Status}
    of_status[Status.RUNNING] = _running()
    return {
        status: _count_completed() if status is Status.COMPLETED else jobs[: MOST_COUNTED + 1].count()
        for status, jobs in of_status.items()
    }


def _count_completed() -> int:
    """Count completed jobs project by project, as no index over all projects has them; up to ``MOST_COUNTED + 1``."""
    connection = jobs_connection()
    quote, project = connection.ops.quote_name, cast("Any", get_project_model())._meta
    is_completed = pinned("status", Status.COMPLETED, connection, of="job.")
    sql = f"""
        SELECT count(*) FROM (
            SELECT FROM {quote(project.db_table)} AS project CROSS JOIN LATERAL (
                SELECT FROM {Job._meta.db_table} AS job WHERE job.project_id = project.{quote(project.pk.column)}
                    AND {is_completed.text}
                ORDER BY job.project_id, job.status, job.id LIMIT %s
            ) AS job LIMIT %s
        ) AS completed
    """  # noqa: S608 – names of tables and columns are Django's
    with connection.cursor() as cursor:
        cursor.execute(sql, (*is_completed.values, MOST_COUNTED + 1, MOST_COUNTED + 1))
        return int(cursor.fetchone()[0])


def _running() -> JobQuerySet:
    """Return the few running jobs, in an order that no other index has."""
    return Job.objects.filter(status=Status.RUNNING).order_by(F("pk") + 0)


def _workers(health: Health, running: Iterable[tuple[Any, int, str, datetime | None]]) -> list[SeenWorker]:
    """Return the workers with a heartbeat, then those that only jobs name."""
    claimed: dict[str, list[RunningJob]] = {}
    for worker, job_id, action, begun_at in running:
        claimed.setdefault(worker, []).append(RunningJob(job_id=job_id, action=action, begun_at=begun_at))
    workers = [
        SeenWorker(
            name=beat.worker,
            beat_seconds=beat.seconds,
            started_at=beat.started_at,
            is_alive=beat.seconds <= Bounds.max_beat_age,
            jobs=claimed.pop(beat.worker, []),
        )
        for beat in health.workers
    ]
    return workers + [
        SeenWorker(name=name, beat_seconds=None, started_at=None, is_alive=False, jobs=jobs)
        for name, jobs in claimed.items()
    ]


def _latest_failures() -> list[Failure]:
    jobs = Job.objects.filter(status=Status.FAILED).select_related("project").order_by("-finished_at", "-pk")
    return [
        Failure(
            job_id=job.pk,
            action=job.action,
            project=str(job.project),
            finished_at=job.finished_at or job.created_at,
            error=next(iter((job.errors or "").strip().splitlines()), ""),
            reference=job.reference_id,
        )
        for job in jobs.defer("description", "parameters", "receipt")[:LATEST_FAILURES]
    ]
