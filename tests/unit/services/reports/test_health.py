"""``check_health``: what the snapshot has, and which values are problems."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from jobs.models import Job, Worker
from jobs.services.commands.pauses import pause_jobs
from jobs.services.reports.health import Bounds, check_health
from jobs.status import Status
from tests.support.execution import ago
from tests.support.factories import make_job, make_project, make_running_job, make_worker
from tests.support.plans import fill_table, plans_on_jobs, scans

pytestmark = pytest.mark.django_db


def test_an_idle_site_with_a_worker_is_healthy():
    make_worker()
    make_job(due_at=ago(-60))

    health = check_health()

    assert health.describe_problems(Bounds()) == []
    assert health.oldest_overdue is health.oldest_paused is health.oldest_running is None
    assert (health.expired_leases, health.unrescued, health.failures) == (0, 0, 0)


def test_the_oldest_overdue_job_is_reported_and_beyond_its_bound_a_problem():
    make_job(due_at=ago(30))
    oldest = make_job(due_at=ago(400))
    make_job(status=Status.COMPLETED, finished_at=ago(5))
    make_worker()

    health = check_health()

    assert health.oldest_overdue is not None
    assert (health.oldest_overdue.job_id, health.oldest_overdue.action) == (oldest.pk, "touch")
    assert health.oldest_overdue.seconds == pytest.approx(400, abs=5)
    assert health.describe_problems(Bounds()) == [
        f"job {oldest.pk} (touch) is 400 s overdue; at most 300 s are allowed"
    ]
    assert health.describe_problems(Bounds(max_overdue=500)) == []


@pytest.mark.parametrize("everything", [True, False])
def test_paused_jobs_are_reported_apart_and_are_no_problem(everything: bool):
    make_worker()
    paused = make_job(due_at=ago(4000))
    free = make_job(action="other", due_at=ago(10))
    pause_jobs(reason="The disk is full", action=None if everything else "touch")

    health = check_health()

    assert health.oldest_paused is not None
    assert health.oldest_paused.job_id == paused.pk
    assert (health.oldest_overdue and health.oldest_overdue.job_id) == (None if everything else free.pk)
    assert [pause.reason for pause in health.pauses] == ["The disk is full"]
    assert health.describe_problems(Bounds()) == []


def test_the_oldest_running_job_is_the_one_begun_first():
    make_running_job(begun_at=ago(5))
    oldest = make_running_job(begun_at=ago(50))
    make_running_job(begun_at=None)

    running = check_health().oldest_running

    assert running is not None
    assert running.job_id == oldest.pk
    assert running.seconds == pytest.approx(50, abs=5)


def idle_worker_and_due_job() -> None:
    make_worker(beat=3)
    make_job(due_at=ago(130))


IDLE = "workers are alive and jobs are due, but for 3600 s none ended or advanced; at most 120 s are allowed"


def test_living_workers_that_end_and_advance_nothing_of_what_is_due_are_a_problem():
    idle_worker_and_due_job()
    make_running_job(begun_at=ago(125), progress_at=None)

    health = check_health()

    assert health.describe_problems(Bounds()) == [IDLE]
    assert health.describe_problems(Bounds(max_idle=140)) == []


@pytest.mark.parametrize(
    "does_something",
    [
        lambda: make_job(status=Status.COMPLETED, finished_at=ago(100)),
        lambda: make_job(status=Status.FAILED, finished_at=ago(100)),
        lambda: make_running_job(begun_at=ago(500), progress_at=ago(100)),
        lambda: Worker.objects.update(started_at=ago(100)),
        lambda: Worker.objects.update(beat_at=ago(100)),
        lambda: Job.objects.update(due_at=ago(110)),
        lambda: pause_jobs(reason="The disk is full", action=None),
    ],
    ids=["completes", "fails", "advances", "has just started", "is dead", "had no time", "is paused"],
)
def test_workers_are_not_idle_where_a_job_ended_or_advanced_or_none_could(does_something: Callable[[], Any]):
    idle_worker_and_due_job()
    before = check_health().describe_problems(Bounds(min_workers=0))
    does_something()

    problems = check_health().describe_problems(Bounds(min_workers=0))

    assert (before, problems) == ([IDLE], [])


def test_cancelled_jobs_do_not_make_idle_workers_look_busy():
    idle_worker_and_due_job()
    make_job(status=Status.CANCELLED, finished_at=ago(5))

    assert check_health().describe_problems(Bounds()) == [IDLE]


def test_an_expired_lease_is_a_problem_once_its_job_should_have_been_rescued():
    make_worker()
    make_running_job()
    make_running_job(lease_expires_at=ago(5))
    just_expired = check_health()
    make_running_job(lease_expires_at=ago(40))

    health = check_health()

    assert (just_expired.expired_leases, just_expired.unrescued) == (1, 0)
    assert just_expired.describe_problems(Bounds()) == []
    assert (health.expired_leases, health.unrescued) == (2, 1)
    assert health.describe_problems(Bounds()) == ["expired leases that nobody rescued: 1, 0 allowed"]
    assert health.describe_problems(Bounds(max_expired=1)) == []


def test_a_worker_without_a_heartbeat_is_not_alive_and_beside_a_living_one_no_problem():
    make_worker("silent", beat=120)
    alone = check_health()
    make_worker("beating", beat=3)

    health = check_health()

    assert alone.describe_problems(Bounds()) == ["workers alive: 0 with a beat in the last 60 s, 1 wanted"]
    assert alone.describe_problems(Bounds(max_beat_age=200)) == []
    assert alone.describe_problems(Bounds(min_workers=0)) == []
    assert [beat.worker for beat in health.workers] == ["beating", "silent"]
    assert health.alive(Bounds()) == 1
    assert health.describe_problems(Bounds()) == []


def test_failures_count_for_an_hour_and_beyond_what_is_counted_as_more(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("jobs.services.reports.health.MOST_COUNTED", 2)
    make_worker()
    for age in (10, 3500, 3700):
        make_job(status=Status.FAILED, finished_at=ago(age))
    make_job(status=Status.COMPLETED, finished_at=ago(10))
    at_the_bound = check_health()
    make_job(status=Status.FAILED, finished_at=ago(10))

    beyond = check_health()

    assert at_the_bound.failures == 2
    assert at_the_bound.describe_problems(Bounds(max_failures=1)) == ["failures in the last hour: 2, 1 allowed"]
    assert beyond.describe_problems(Bounds(max_failures=1)) == ["failures in the last hour: more than 2, 1 allowed"]


def test_a_snapshot_has_a_fixed_number_of_queries_each_with_its_index():
    fill_table()
    pause_jobs(action="touch", reason="The disk is full", project=make_project())
    with CaptureQueriesContext(connection) as captured:
        check_health()

    plans = plans_on_jobs(captured)

    assert len(captured) <= 12
    assert len(plans) == 7
    assert not scans(plans)
    assert any("jobs_job_failures" in plan for plan in plans)


def test_a_dispatcher_is_no_worker_and_is_reported_apart():
    make_worker("host:2:bbbb", kind=Worker.Kind.DISPATCHER)

    health = check_health()

    assert [beat.worker for beat in health.dispatchers] == ["host:2:bbbb"]
    assert health.describe_problems(Bounds()) == ["workers alive: 0 with a beat in the last 60 s, 1 wanted"]


@override_settings(JOBS={"TASK_BACKEND": "default"})
def test_with_an_engine_a_dispatcher_must_be_alive():
    make_worker(kind=Worker.Kind.ENGINE)
    make_worker("host:2:bbbb", kind=Worker.Kind.DISPATCHER, beat=100)

    problems = check_health().describe_problems(Bounds())

    assert problems == ["dispatchers alive: 0 with a beat in the last 60 s, 1 wanted"]
    make_worker("host:3:cccc", kind=Worker.Kind.DISPATCHER)
    assert check_health().describe_problems(Bounds()) == []


@override_settings(JOBS={"TASK_BACKEND": "default"})
def test_many_processes_of_an_engine_hide_no_dispatcher(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("jobs.services.reports.health.MOST_WORKERS", 2)
    make_worker("host:2:bbbb", kind=Worker.Kind.DISPATCHER, beat=10)
    for number in range(3):
        make_worker(f"host:3:{number}", kind=Worker.Kind.ENGINE)

    health = check_health()

    assert [beat.worker for beat in health.dispatchers] == ["host:2:bbbb"]
    assert len(health.workers) == 2
    assert health.describe_problems(Bounds()) == []


def test_a_job_that_goes_round_is_named_and_one_that_has_ended_is_not():
    make_worker()
    make_job(interruptions=4, due_at=ago(-60))
    make_job(interruptions=90, status=Status.FAILED, finished_at=ago(5))
    allowed = check_health()
    round_job = make_job(interruptions=5, due_at=ago(-60))

    health = check_health()

    assert allowed.describe_problems(Bounds()) == []
    assert health.describe_problems(Bounds()) == [
        f"job {round_job.pk} (touch) goes round: it was interrupted 5 times although the database answers, 4 allowed"
    ]
    assert health.describe_problems(Bounds(max_interruptions=5)) == []
