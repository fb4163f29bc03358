"""What operators look at: how jobs fare now and how they fared, at a cost that does not grow with their number.

The past comes from the rows that workers write (:mod:`jobs.stats.rollup`); what ended since
the last of them is counted here, up to a bound. Nothing here names a reference.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final

from ...db.connection import jobs_connection
from ...models import Job, JobQuerySet, Statistic
from ...stats import rollup
from ...stats.rollup import BUCKET, Counts, percentile
from ...status import Status
from .health import MOST_COUNTED, Bounds, Health, check_health

# Ended jobs that are counted for one look; a worker counts what is older sooner or later.
MOST_UNCOUNTED: Final = 50_000
MOST_RUNNING: Final = 500
LATEST_FAILURES: Final = 10


@dataclass(frozen=True, kw_only=True)
class Span:
    """How far back is looked, and in what steps; both are multiples of five minutes."""

    length: timedelta
    step: timedelta


SPANS: Final = {
    "1h": Span(length=timedelta(hours=1), step=BUCKET),
    "24h": Span(length=timedelta(hours=24), step=timedelta(minutes=30)),
    "7d": Span(length=timedelta(days=7), step=timedelta(hours=3)),
}


@dataclass(frozen=True, kw_only=True)
class Period:
    """What ended from an instant until another; a percentile is None where nothing was to be measured."""

    since: datetime
    until: datetime
    counts: Counts

    @property
    def failure_share(self) -> float | None:
        """How much failed of what came to an end of its own, from 0 to 1; None: nothing did."""
        of_its_own = self.counts.completed + self.counts.failed
        return self.counts.failed / of_its_own if of_its_own else None

    @cached_property
    def wait_median(self) -> timedelta | None:
        """About how long half of the jobs waited at most, from the start asked for to the first claim."""
        return percentile(self.counts.wait_slots, 0.5)

    @cached_property
    def wait_p95(self) -> timedelta | None:
        """The same of 95 in 100 jobs."""
        return percentile(self.counts.wait_slots, 0.95)

    @cached_property
    def run_median(self) -> timedelta | None:
        """About how long the last attempt of half of the jobs ran at most; cancelled ones are left out."""
        return percentile(self.counts.run_slots, 0.5)

    @cached_property
    def run_p95(self) -> timedelta | None:
        """The same of 95 in 100 jobs."""
        return percentile(self.counts.run_slots, 0.95)


@dataclass(frozen=True, kw_only=True)
class RunningJob:
    """A job that a worker holds; ``begun_at`` is null while it waits there for a thread."""

    job_id: int
    action: str
    begun_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class SeenWorker:
    """A worker and what it holds; ``beat_seconds`` ago it beat, None: only its jobs tell of it."""

    name: str
    beat_seconds: float | None
    started_at: datetime | None
    is_alive: bool
    jobs: Sequence[RunningJob]


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A job that failed; others wrote ``error``, which may hold the ``reference``, and ``project``."""

    job_id: int
    action: str
    project: str
    finished_at: datetime
    error: str
    """The first line."""
    reference: str
    """To take it out of the error; nothing else."""


@dataclass(frozen=True, kw_only=True)
class Overview:
    """One look."""

    health: Health
    by_status: dict[Status, int]
    """Above ``MOST_COUNTED`` stands for "or more than that"."""
    periods: Sequence[Period]
    """From the span's beginning to now, one after the other; the last is not over."""
    total: Period
    incomplete_since: datetime | None
    """If set: of what ended from here until ``complete_again`` only a part is counted so far, or nothing."""
    complete_again: datetime | None
    workers: Sequence[SeenWorker]
    running_unlisted: bool
    """Whether more jobs run than were looked at."""
    failures: Sequence[Failure]


def get_overview(span: Span) -> Overview:
    """Look once: about twenty queries, each bounded or served by an index or a table of few rows."""
    health = check_health()
    now = health.checked_at
    edges = _edges(span, now)
    uncounted = max(rollup.next_bucket(now), edges[0])
    tail_since, tail = _count_tail(uncounted)
    by_bucket = {**_counted(edges[0], uncounted), **tail}
    periods = _periods(edges, by_bucket)
    running = list(_in_status(Status.RUNNING).values_list("worker", "pk", "action", "begun_at")[: MOST_RUNNING + 1])
    return Overview(
        health=health,
        by_status={status: _in_status(status)[: MOST_COUNTED + 1].count() for status in Status},
        periods=periods,
        total=Period(since=edges[0], until=now, counts=Counts.sum([period.counts for period in periods])),
        incomplete_since=None if tail_since is None else uncounted,
        complete_again=tail_since,
        workers=_workers(health, running[:MOST_RUNNING]),
        running_unlisted=len(running) > MOST_RUNNING,
        failures=_latest_failures(),
    )


def _edges(span: Span, now: datetime) -> list[datetime]:
    """Return where the periods begin: whole steps, enough of them to reach back as far as the span and further."""
    step = span.step.total_seconds()
    last = datetime.fromtimestamp(now.timestamp() // step * step, UTC)
    steps = span.length // span.step
    return [last - number * span.step for number in range(steps, -1, -1)]


def _counted(since: datetime, until: datetime) -> dict[datetime, Counts]:
    """Return what workers have counted."""
    columns = ("bucket_at", "completed", "failed", "cancelled", "run_slots", "wait_slots")
    rows = Statistic.objects.using(jobs_connection().alias).filter(bucket_at__gte=since, bucket_at__lt=until).order_by()
    return {
        at: Counts(completed=completed, failed=failed, cancelled=cancelled, run_slots=run, wait_slots=wait)
        for at, completed, failed, cancelled, run, wait in rows.values_list(*columns)
    }


def _count_tail(since: datetime) -> tuple[datetime | None, dict[datetime, Counts]]:
    """Count what ended since; if that is more than we count, only the newest, and return from where on."""
    jobs = rollup.ended_jobs(since)
    newest = jobs.order_by("-finished_at").values_list("finished_at", flat=True)
    beyond = next(iter(newest[MOST_UNCOUNTED : MOST_UNCOUNTED + 1]), None)
    if beyond is None:
        return None, rollup.count_jobs(jobs)
    return beyond, rollup.count_jobs(jobs.filter(finished_at__gt=beyond))


def _periods(edges: list[datetime], by_bucket: dict[datetime, Counts]) -> list[Period]:
    step = edges[1] - edges[0]
    within: list[list[Counts]] = [[] for _ in edges]
    for bucket, counts in by_bucket.items():
        # A job may have ended since the clock was read.
        within[min((bucket - edges[0]) // step, len(edges) - 1)].append(counts)
    return [
        Period(since=edge, until=edge + step, counts=Counts.sum(counts))
        for edge, counts in zip(edges, within, strict=True)
    ]


def _in_status(status: Status) -> JobQuerySet:
    """Return the jobs of one status in the order of their index, which so is the only way to them.

    With ``status = …`` the planner may walk the table until it has met enough of them,
    and where they all lie at its end that is all of it.
    """
    return Job.objects.filter(status__gte=status, status__lte=status).order_by("status", "pk")


def _workers(health: Health, running: Iterable[tuple[Any, int, str, datetime | None]]) -> list[SeenWorker]:
    """Return the workers that beat or did, then those that are known by their jobs alone."""
    held: dict[str, list[RunningJob]] = {}
    for worker, job_id, action, begun_at in running:
        held.setdefault(worker, []).append(RunningJob(job_id=job_id, action=action, begun_at=begun_at))
    workers = [
        SeenWorker(
            name=beat.worker,
            beat_seconds=beat.seconds,
            started_at=beat.started_at,
            is_alive=beat.seconds <= Bounds.max_beat_age,
            jobs=held.pop(beat.worker, []),
        )
        for beat in health.workers
    ]
    return workers + [
        SeenWorker(name=name, beat_seconds=None, started_at=None, is_alive=False, jobs=jobs)
        for name, jobs in held.items()
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
