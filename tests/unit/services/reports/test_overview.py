"""The report behind the overview: statistics and what they do not cover yet, at a bounded cost."""

import time
from datetime import datetime, timedelta
from typing import Final

import pytest

from jobs.db import clock
from jobs.db.connection import jobs_connection
from jobs.models import Statistic
from jobs.services.reports import overview as reads
from jobs.services.reports.overview import SPANS, Overview, get_overview
from jobs.stats import rollup
from jobs.stats.rollup import BUCKET
from jobs.status import Status
from tests.support.concurrency import statements
from tests.support.ended_jobs import make_ended
from tests.support.execution import make_due_jobs
from tests.support.factories import make_job, make_project, make_running_job, make_worker
from tests.support.plans import analyze, fill_table, plan_of

pytestmark = pytest.mark.django_db

HOUR: Final = timedelta(hours=1)
SECONDS_OF_TWO_REPORTS: Final = 10


@pytest.fixture
def now() -> datetime:
    return clock.read(jobs_connection())


def report(span: str = "24h") -> Overview:
    return get_overview(SPANS[span])


def roll_up_all() -> None:
    while rollup.roll_up():
        pass


@pytest.mark.parametrize("span", SPANS)
def test_the_periods_cover_the_span_without_gaps(span: str):
    overview = report(span)

    now, periods, length = overview.health.checked_at, overview.periods, SPANS[span].period
    assert periods[0].since <= now - SPANS[span].length < periods[1].since
    assert periods[-1].since <= now < periods[-1].until
    assert [period.until for period in periods[:-1]] == [period.since for period in periods[1:]]
    assert {period.until - period.since for period in periods} == {length}


@pytest.mark.parametrize("span", SPANS)
def test_the_report_is_the_same_before_and_after_the_rollup(span: str, now: datetime):
    for number in range(60):
        status = Status.FAILED if number % 5 == 0 else Status.CANCELLED if number % 7 == 0 else Status.COMPLETED
        make_ended(now - number * timedelta(minutes=53), status=status, ran=number, waited=number / 2)

    left = BUCKET.total_seconds() - time.time() % BUCKET.total_seconds()
    if left < SECONDS_OF_TWO_REPORTS:  # the second would begin a period later
        time.sleep(left)
    before = report(span)
    roll_up_all()
    after = report(span)

    assert before.total.counts.ended > 0
    assert before.total.counts == after.total.counts
    assert [period.counts for period in before.periods] == [period.counts for period in after.periods]
    assert Statistic.objects.count() > 10


def test_jobs_that_ended_since_the_rollup_are_added(now: datetime):
    make_ended(now - timedelta(minutes=20))
    roll_up_all()
    make_ended(now)

    overview = report("1h")

    assert overview.total.counts.completed == 2
    assert sum(period.counts.completed for period in overview.periods[-2:]) == 1


def test_the_share_of_failures_leaves_cancelled_jobs_out(now: datetime):
    for status in (Status.FAILED, Status.COMPLETED, Status.COMPLETED, Status.COMPLETED, Status.CANCELLED):
        make_ended(now - timedelta(minutes=20), status=status)

    assert report().total.failure_share == 0.25
    assert report("1h").periods[-1].failure_share is None


def test_percentiles_are_about_right(now: datetime):
    for number in range(1, 101):
        make_ended(now - timedelta(minutes=20), ran=number, waited=10 * number)

    total = report().total

    for found, true in ((total.run_median, 50), (total.run_p95, 95), (total.wait_median, 500), (total.wait_p95, 950)):
        assert found is not None
        assert found.total_seconds() == pytest.approx(true, rel=0.2)


def test_of_too_many_uncounted_jobs_the_newest_are_counted(now: datetime, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reads, "MOST_UNCOUNTED", 10)
    for number in range(10):
        make_ended(now - number * timedelta(minutes=2))
    whole = report("1h")
    for number in range(10, 25):
        make_ended(now - number * timedelta(minutes=2))

    overview = report("1h")

    assert whole.total.counts.completed == 10
    assert whole.incomplete_since is whole.complete_again is None
    assert overview.total.counts.completed == 10
    assert overview.complete_again is not None
    assert abs(overview.complete_again - (now - 20 * timedelta(minutes=1))) < timedelta(milliseconds=2)
    assert overview.incomplete_since == overview.periods[0].since


def test_jobs_are_counted_by_status_up_to_one_above_the_bound(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reads, "MOST_COUNTED", 2)
    make_running_job(project=make_due_jobs(4)[0].project)

    counts = report().by_status

    assert counts == {**dict.fromkeys(Status, 0), Status.SCHEDULED: 3, Status.RUNNING: 1}


def test_workers_are_listed_with_their_claimed_jobs_also_one_without_a_heartbeat():
    make_worker("alive")
    make_worker("silent", beat=120)
    job, forgotten = make_running_job(worker="alive", begun_at=None), make_running_job(worker="forgotten")

    workers = {worker.name: worker for worker in report().workers}

    assert {name: worker.is_alive for name, worker in workers.items()} == {
        "alive": True, "silent": False, "forgotten": False,
    }  # fmt: skip
    assert list(workers) == ["alive", "silent", "forgotten"]
    assert [(held.job_id, held.begun_at) for held in workers["alive"].jobs] == [(job.pk, None)]
    assert workers["silent"].jobs == []
    assert [held.job_id for held in workers["forgotten"].jobs] == [forgotten.pk]
    assert workers["forgotten"].beat_seconds is None


def test_running_jobs_are_read_up_to_a_bound(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reads, "MOST_RUNNING", 2)
    project = make_project()
    for _ in range(3):
        make_running_job(project=project, worker="busy")

    overview = report()

    assert len(overview.workers[0].jobs) == 2
    assert overview.running_unlisted


def test_the_latest_failures_come_first_with_the_first_line_of_their_errors(now: datetime):
    project = make_project()
    for number in range(12):
        make_job(
            project=project,
            status=Status.FAILED,
            finished_at=now - number * HOUR,
            errors=f"\nIt went wrong {number}.\nAnd so on.",
        )
    make_ended(now)

    failures = report().failures

    assert [failure.error for failure in failures] == [f"It went wrong {number}." for number in range(10)]
    assert {failure.project for failure in failures} == {str(project)}


def test_completed_jobs_are_counted_over_all_projects(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reads, "MOST_COUNTED", 3)
    for project in (make_project(), make_project(), make_project()):
        before = report().by_status[Status.COMPLETED]
        for status in (Status.COMPLETED, Status.CANCELLED, Status.COMPLETED):
            make_job(project=project, status=status)
        assert report().by_status[Status.COMPLETED] == min(before + 2, 4)


def test_no_query_reads_the_table_of_jobs(now: datetime, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reads, "MOST_COUNTED", 100)
    fill_table()
    roll_up_all()
    make_ended(now)
    analyze()

    with statements() as executed:
        report("7d")

    plans = [plan_of(sql) for sql in executed if '"jobs_job"' in sql]
    assert len(plans) >= 10
    assert not [plan for plan in plans if "Seq Scan on jobs_job" in plan or "SCAN jobs_job" in unindexed(plan)]


def unindexed(plan: str) -> str:
    """Return the lines of a plan of SQLite that name no index."""
    return "\n".join(line for line in plan.splitlines() if "INDEX" not in line)


def test_every_count_of_jobs_is_bounded(now: datetime):
    make_ended(now)
    with statements() as executed:
        report()

    counts = [sql for sql in executed if "COUNT" in sql and '"jobs_job"' in sql]

    assert len(counts) >= 7
    for sql in counts:
        assert "LIMIT" in sql or '"finished_at" >= ' in sql or '"lease_expires_at" < ' in sql, sql
