"""Statistics: how many jobs ended in each bucket of five minutes, and how long they ran and waited.

The maintenance of workers stores them; the overview reads the rows, and counts with the
same query what is too young to have one. Durations are counted in slots of a logarithmic
scale, from which a percentile is right to a fifth, whatever the number of jobs.
"""

import logging
import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Case, Count, Func, IntegerField, Max, Q, When
from django.db.models.sql.compiler import SQLCompiler

from ..db import clock
from ..db.connection import jobs_connection, limited_transaction
from ..models import Job, JobQuerySet, Statistic
from ..status import Status

logger = logging.getLogger(__name__)

BUCKET: Final = timedelta(minutes=5)
# A job's end is written shortly before its commit. A commit that takes longer than this is not counted.
SETTLED_AFTER: Final = timedelta(seconds=60)
FIRST_BUCKET_AGE: Final = timedelta(days=7)
KEEP: Final = timedelta(days=8)
# Maintenance must also rescue jobs: it leaves to the next sweep what does not fit.
MOST_BUCKETS_A_SWEEP: Final = 60
MOST_SECONDS_A_SWEEP: Final = 0.5

SLOTS: Final = 60
"""Slot 0: below 1 ms; slot n: from 2^((n-1)/2) ms to √2 times that; the last one: six days and more."""
# Shorter durations, which may have no logarithm, count as this one, which is in slot 0 as well.
LEAST_MS: Final = 0.75
# So that rounding of the logarithm does not put a power of two into the slot before its own.
LEEWAY: Final = 1e-9


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many jobs ended in some time, and how long they ran and waited."""

    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    run_slots: tuple[int, ...] = (0,) * SLOTS
    """Of the completed and failed ones: from the beginning of the last attempt to the end."""
    wait_slots: tuple[int, ...] = (0,) * SLOTS
    """Of those that were ever claimed: from the start that was asked for to the first claim."""

    @property
    def ended(self) -> int:
        return self.completed + self.failed + self.cancelled

    @classmethod
    def sum(cls, parts: Sequence["Counts"]) -> "Counts":
        if not parts:
            return cls()
        return cls(
            completed=sum(part.completed for part in parts),
            failed=sum(part.failed for part in parts),
            cancelled=sum(part.cancelled for part in parts),
            run_slots=tuple(map(sum, zip(*(part.run_slots for part in parts), strict=True))),
            wait_slots=tuple(map(sum, zip(*(part.wait_slots for part in parts), strict=True))),
        )


def roll_up(*, now: datetime | None = None) -> int:
    """Count the jobs of a few buckets that are over and have no row yet; return how many rows were written.

    The first bucket ever is ``FIRST_BUCKET_AGE`` ago. Several workers may do this at once: the
    first row of a bucket stays. A job that was redacted or deleted before is not counted.
    """
    now = now or clock.read(jobs_connection())
    begin, end = next_bucket(now), bucket_of(now - SETTLED_AFTER)
    if begin >= end:
        return 0
    rows = _count_buckets(begin, end)
    with limited_transaction():
        Statistic.objects.using(jobs_connection().alias).bulk_create(rows, ignore_conflicts=True)
        Statistic.objects.using(jobs_connection().alias).filter(bucket_at__lt=now - KEEP).delete()
    logger.debug("counted what ended from %s on, in %d rows", begin, len(rows))
    return len(rows)


def bucket_of(moment: datetime) -> datetime:
    """Return the beginning of the bucket that ``moment`` is in."""
    return datetime.fromtimestamp(moment.timestamp() // BUCKET.total_seconds() * BUCKET.total_seconds(), UTC)


def next_bucket(now: datetime) -> datetime:
    """Return the first bucket without a row that is no older than ``FIRST_BUCKET_AGE``."""
    latest = Statistic.objects.using(jobs_connection().alias).aggregate(at=Max("bucket_at"))["at"]
    earliest = bucket_of(now - FIRST_BUCKET_AGE)
    return earliest if latest is None else max(latest + BUCKET, earliest)


def ended_jobs(since: datetime) -> JobQuerySet:
    """Return the jobs that ended since an instant and are not redacted; the index ``jobs_job_to_redact`` serves it."""
    return Job.objects.filter(finished_at__gte=since).exclude(reference_id="").order_by()


def count_jobs(jobs: JobQuerySet) -> dict[datetime, Counts]:
    """Count ended jobs by bucket, in one query that answers with a few hundred rows a bucket at most."""
    ran = Q(status__in=[Status.COMPLETED.value, Status.FAILED.value], begun_at__isnull=False)
    groups = jobs.annotate(
        bucket=_BucketNumber("finished_at"),
        run_slot=Case(When(ran, then=_Slot("finished_at", "begun_at"))),
        wait_slot=Case(When(started_at__isnull=False, then=_Slot("started_at", "start_at"))),
    )
    grouped = groups.values_list("bucket", "status", "run_slot", "wait_slot").annotate(jobs=Count("*"))
    counters: dict[datetime, tuple[Counter[str], ...]] = {}
    for bucket, *keys, number in grouped:
        begin = datetime.fromtimestamp(bucket * BUCKET.total_seconds(), UTC)
        for counter, key in zip(counters.setdefault(begin, (Counter(), Counter(), Counter())), keys, strict=True):
            counter[key] += number
    return {begin: _counts(*by_key) for begin, by_key in counters.items()}


def _counts(statuses: Counter[str], runs: Counter[Any], waits: Counter[Any]) -> Counts:
    """Return the sums by status, run slot and wait slot; the slot None is of jobs that did not run or wait."""
    return Counts(
        **{status.value: statuses[status] for status in Status if status.is_final},
        run_slots=tuple(runs[slot] for slot in range(SLOTS)),
        wait_slots=tuple(waits[slot] for slot in range(SLOTS)),
    )


def percentile(slots: Sequence[int], share: float) -> timedelta | None:
    """Return the percentile for ``share`` (0 to 1); None: there are no durations.

    The durations of a slot are taken to be spread evenly over it.
    """
    rank, below = share * sum(slots), 0
    for slot, count in enumerate(slots):
        if count and below + count >= rank:
            low = 0.0 if slot == 0 else math.sqrt(2) ** (slot - 1)
            milliseconds = low + (math.sqrt(2) ** slot - low) * max(0.0, rank - below) / count
            return timedelta(milliseconds=milliseconds)
        below += count
    return None


def _count_buckets(begin: datetime, end: datetime) -> list[Statistic]:
    """Return rows for the next buckets in which jobs ended; the last row may be empty and marks how far we came."""
    rows: list[Statistic] = []
    stop_at = time.monotonic() + MOST_SECONDS_A_SWEEP
    while len(rows) < MOST_BUCKETS_A_SWEEP and (not rows or time.monotonic() < stop_at):
        rest = ended_jobs(begin).filter(finished_at__lt=end)
        first = rest.order_by("finished_at").values_list("finished_at", flat=True).first()
        bucket = end - BUCKET if first is None else bucket_of(first)
        counted = {} if first is None else count_jobs(rest.filter(finished_at__lt=bucket + BUCKET))
        rows.append(Statistic(bucket_at=bucket, **asdict(counted.get(bucket, Counts()))))
        begin = bucket + BUCKET
        if begin >= end:
            break
    return rows


class _BucketNumber(Func):
    """The number of buckets from 1970 to an instant."""

    output_field = IntegerField()
    arity = 1
    template = f"(FLOOR(EXTRACT(EPOCH FROM %(expressions)s) / {BUCKET.total_seconds():.0f})::bigint)"

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any) -> Any:
        """Compile for the texts that SQLite stores."""
        sql = f"(CAST(STRFTIME('%%%%s', %(expressions)s) AS INTEGER) / {BUCKET.total_seconds():.0f})"
        return self.as_sql(compiler, connection, template=sql)


class _Slot(Func):
    """The slot of the duration between a later and an earlier instant, neither of them null."""

    output_field = IntegerField()
    arity = 2
    arg_joiner = " - "
    slot = f"FLOOR(2 * LN({{greatest}}({{ms}}, {LEAST_MS})) / {math.log(2)!r} + {LEEWAY!r}) + 1"
    template = (
        "(LEAST("
        + slot.format(greatest="GREATEST", ms="(EXTRACT(EPOCH FROM (%(expressions)s)) * 1000)::float8")
        + f", {SLOTS - 1})::integer)"
    )

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any) -> Any:
        """Compile for the texts that SQLite stores; its Julian days are exact to the millisecond."""
        ms = "ROUND((%(expressions)s) * 86400000)"
        later, earlier = (Func(moment, function="JULIANDAY") for moment in self.get_source_expressions())
        difference = self.copy()
        difference.set_source_expressions([later, earlier])
        sql = f"(CAST(MIN({self.slot.format(greatest='MAX', ms=ms)}, {SLOTS - 1}) AS INTEGER))"
        return difference.as_sql(compiler, connection, template=sql)
