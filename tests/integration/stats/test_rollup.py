"""What ended in each five minutes is counted once, exactly, by any number of workers, and is forgotten in time."""

import math
import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from django.db import DatabaseError, connection
from django.db.models import Q
from django.test.utils import CaptureQueriesContext

from jobs.db import clock
from jobs.db.connection import jobs_connection
from jobs.models import Job, Statistic, Worker
from jobs.stats import rollup
from jobs.stats.rollup import BUCKET, KEEP, SLOTS, Counts, percentile, roll_up
from jobs.status import Status
from jobs.workers.dispatcher import JobDispatcher
from jobs.workers.worker import JobWorker
from tests.support.concurrency import at_once, until
from tests.support.ended_jobs import make_ended
from tests.support.factories import make_job, make_project
from tests.support.plans import analyze, plans_on_jobs
from tests.support.worker_process import worker_process

pytestmark = pytest.mark.django_db(transaction=True)

NOW: Final = datetime(2026, 3, 1, 12, 3, tzinfo=UTC)
MINUTE: Final = timedelta(minutes=1)


def naive_slot(later: datetime, earlier: datetime) -> int:
    """Return the slot by its definition: the first whose upper bound is above the duration."""
    milliseconds = (later - earlier) / timedelta(milliseconds=1)
    return next((slot for slot in range(SLOTS - 1) if milliseconds < math.sqrt(2**slot) * (1 - 1e-12)), SLOTS - 1)


def naive_counts(jobs: Iterable[Job]) -> dict[datetime, Counts]:
    """Count as one would by hand."""
    counts: dict[datetime, Any] = defaultdict(lambda: {"run_slots": [0] * SLOTS, "wait_slots": [0] * SLOTS})
    for job in jobs:
        if job.finished_at is None or not job.reference_id:
            continue
        minute = job.finished_at.minute - job.finished_at.minute % 5
        of_bucket = counts[job.finished_at.replace(minute=minute, second=0, microsecond=0)]
        of_bucket[job.status] = of_bucket.get(job.status, 0) + 1
        if job.begun_at is not None and job.status != Status.CANCELLED:
            of_bucket["run_slots"][naive_slot(job.finished_at, job.begun_at)] += 1
        if job.started_at is not None:
            of_bucket["wait_slots"][naive_slot(job.started_at, job.start_at)] += 1
    return {bucket: as_counts(found) for bucket, found in counts.items()}


def as_counts(found: dict[str, Any]) -> Counts:
    return Counts(**{name: tuple(value) if isinstance(value, list) else value for name, value in found.items()})


def counted() -> dict[datetime, Counts]:
    """Return what the table says."""
    rows = Statistic.objects.values("bucket_at", *(field.name for field in fields(Counts)))
    return {row.pop("bucket_at"): as_counts(row) for row in rows}


def make_random_jobs(count: int, *, seed: int = 5) -> None:
    """Insert jobs of all kinds that ended within three hours before ``NOW``, with durations of all orders."""
    chance, project, jobs = random.Random(seed), make_project(), []

    def duration() -> timedelta:
        whole_powers = [timedelta(milliseconds=2**power) for power in range(31)]
        any_length = timedelta(milliseconds=round(2 ** chance.uniform(-1, 31)))
        return chance.choice([any_length, any_length, chance.choice(whole_powers), timedelta(0)])

    for number in range(count):
        status = chance.choice([Status.COMPLETED] * 6 + [Status.FAILED, Status.CANCELLED])
        finished_at = NOW - timedelta(milliseconds=chance.randrange(3 * 3_600_000))
        begun_at = finished_at - duration()
        was_claimed = status is not Status.CANCELLED or chance.random() < 0.5
        jobs.append(
            Job(
                project=project,
                action="touch",
                reference_id="" if chance.random() < 0.05 else f"user-{number}",
                status=status.value,
                created_at=begun_at - timedelta(days=30),
                start_at=begun_at - duration(),
                due_at=begun_at,
                started_at=begun_at if was_claimed else None,
                begun_at=begun_at if was_claimed else None,
                finished_at=finished_at,
                errors="It went wrong." if status is Status.FAILED else None,
            )
        )
    Job.objects.bulk_create(jobs)


def test_the_rows_are_what_one_would_count_by_hand():
    make_random_jobs(2_000)
    make_job()

    while roll_up(now=NOW):
        pass

    by_hand = naive_counts(Job.objects.filter(Q(finished_at__lt=NOW.replace(minute=0)) | Q(finished_at=None)))
    assert len(by_hand) == 36
    assert counted() == by_hand


def test_a_bucket_is_counted_once_it_has_been_over_for_a_minute():
    make_ended(NOW.replace(minute=4, second=59))
    bucket = NOW.replace(minute=0)

    roll_up(now=NOW.replace(minute=5, second=59))
    too_soon = bucket in counted()
    roll_up(now=NOW.replace(minute=6))

    assert not too_soon
    assert counted()[bucket].completed == 1


def test_what_is_counted_stays_for_those_who_count_again_or_come_late(monkeypatch: pytest.MonkeyPatch):
    make_ended(NOW - 10 * MINUTE)
    begin = rollup.next_bucket(NOW)
    roll_up(now=NOW)
    before = counted()
    make_ended(NOW - 10 * MINUTE)

    again = roll_up(now=NOW)
    # Another had asked what to count before the first wrote it.
    monkeypatch.setattr(rollup, "next_bucket", lambda now: begin)
    roll_up(now=NOW)

    assert again == 0
    assert counted() == before


def test_where_nothing_ended_one_row_says_how_far_was_looked():
    roll_up(now=NOW)
    roll_up(now=NOW + 60 * MINUTE)

    assert counted() == {NOW.replace(hour=11, minute=55): Counts(), NOW.replace(hour=12, minute=55): Counts()}


def test_several_who_count_at_once_write_each_row_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rollup, "MOST_SECONDS_A_SWEEP", 20)
    make_random_jobs(500)

    at_once(*[lambda: roll_up(now=NOW)] * 4)

    assert counted() == naive_counts(Job.objects.filter(finished_at__lt=NOW.replace(minute=0)))


@pytest.mark.parametrize(
    ("bound", "value", "rows"), [("MOST_BUCKETS_A_SWEEP", 3, [3, 3, 2, 0]), ("MOST_SECONDS_A_SWEEP", 0, [1, 1, 1, 0])]
)
def test_what_was_missed_is_made_up_for_a_few_buckets_at_a_time(
    monkeypatch: pytest.MonkeyPatch, bound: str, value: int, rows: list[int]
):
    monkeypatch.setattr(rollup, bound, value)
    for number in range(sum(rows)):
        make_ended(NOW - 6 * MINUTE - number * timedelta(hours=20))

    assert [roll_up(now=NOW) for _ in rows] == rows
    assert sum(counts.completed for counts in counted().values()) == sum(rows)


def test_nothing_older_than_a_week_is_made_up_for():
    make_ended(NOW - timedelta(days=7, minutes=10))
    recent = make_ended(NOW - timedelta(days=6, hours=23))

    roll_up(now=NOW)

    assert sum(counts.completed for counts in counted().values()) == 1
    assert rollup.bucket_of(recent.finished_at) in counted()


def test_rows_are_forgotten_after_eight_days():
    for age in (timedelta(days=8, minutes=10), timedelta(days=7, hours=23)):
        Statistic.objects.create(
            bucket_at=rollup.bucket_of(NOW - age), completed=1, failed=0, cancelled=0, run_slots=[], wait_slots=[]
        )

    roll_up(now=NOW)

    kept = Statistic.objects.values_list("bucket_at", flat=True)
    assert list(kept) == [rollup.bucket_of(NOW - timedelta(days=7, hours=23)), NOW.replace(hour=11, minute=55)]


def test_jobs_are_found_by_their_index_and_no_others_are_read():
    make_random_jobs(3_000)
    analyze()
    with CaptureQueriesContext(connection) as captured:
        roll_up(now=NOW)

    plans = plans_on_jobs(captured)
    assert plans
    assert not [plan for plan in plans if "jobs_job_to_redact" not in plan]


def test_a_worker_counts_while_it_sweeps():
    bucket = rollup.bucket_of(clock.read(jobs_connection()) - 2 * BUCKET)
    make_ended(bucket + MINUTE)

    with worker_process() as worker:
        until(Statistic.objects.exists, what="a row")
        assert worker.stop() == 0

    assert counted()[bucket].completed == 1


@pytest.mark.parametrize("process", [JobWorker, JobDispatcher])
def test_trouble_with_the_figures_is_no_trouble_of_the_sweep(
    process: type[JobWorker | JobDispatcher], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def fail() -> int:
        raise DatabaseError("no such table")

    monkeypatch.setattr(rollup, "roll_up", fail)
    old = Worker.objects.create(name="old", started_at=NOW - KEEP, beat_at=NOW - KEEP)

    # Else it would look for lost jobs again at once, and never more come to its pause.
    process()._maintenance.run()

    assert not Worker.objects.filter(pk=old.pk).exists()
    assert "database trouble: DatabaseError" in caplog.text


def slots_of(*milliseconds: float) -> list[int]:
    slots = [0] * SLOTS
    for duration in milliseconds:
        slots[naive_slot(NOW + timedelta(milliseconds=duration), NOW)] += 1
    return slots


@pytest.mark.parametrize("share", [0.5, 0.95])
def test_a_percentile_is_right_to_a_fifth(share: float):
    chance = random.Random(7)
    durations = sorted(2 ** chance.uniform(0, 28) for _ in range(20_000))

    found = percentile(slots_of(*durations), share)

    assert found is not None
    assert found / timedelta(milliseconds=1) == pytest.approx(durations[int(share * len(durations))], rel=0.2)


def test_a_percentile_of_equal_durations_is_within_their_slot_and_of_none_there_is_none():
    found = percentile(slots_of(1000, 1000, 1000), 0.95)

    assert found is not None
    assert percentile([0] * SLOTS, 0.5) is None
    assert 2**9.5 <= found / timedelta(milliseconds=1) <= 2**10
