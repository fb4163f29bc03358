"""What must be true on every engine, with its real processes."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from jobs import cancel_job
from jobs.models import Job, Worker
from jobs.services.commands.pauses import pause_jobs, resume_all_jobs
from jobs.status import Status
from tests.support.execution import make_visits
from tests.support.hostapp.models import Ledger, Visit
from tests.system.engines.engine_jobs import (
    OWNER,
    count_written,
    schedule,
    schedule_many,
    until_completed,
    until_reserved,
    until_running,
    until_status,
)
from tests.system.engines.engines import Engine
from tests.system.engines.processes import wait_for

pytestmark = pytest.mark.timeout(240)


def test_every_job_runs_once(any_engine: Engine):
    any_engine.start()

    jobs = schedule_many(30)

    until_completed(*jobs)
    assert [count_written(job) for job in jobs] == [1] * 30
    assert not Job.objects.exclude(attempt=1, crashes=0, failures=0).exists()


def test_of_two_dispatchers_one_sends_each_job(engine: Engine):
    engine.programs.environment["TEST_RESERVE_SECONDS"] = "60"  # none is sent again, so each delivery counts
    dispatchers = [engine.start_dispatcher(), engine.start_dispatcher()]

    jobs = schedule_many(40)

    until_reserved(*jobs)
    deliveries = 0
    while deliveries < len(jobs):
        deliveries += wait_for(engine.lose_all, what="a delivery of each job")
    assert [dispatcher.stop() for dispatcher in dispatchers] == [0, 0]
    assert deliveries + engine.lose_all() == len(jobs)


def test_repeated_deliveries_of_a_job_change_nothing(engine: Engine):
    job = schedule()
    engine.deliver(job, times=5)
    engine.start_worker()
    until_completed(job)

    engine.deliver(job, times=3)
    following = schedule()
    engine.deliver(following)
    until_completed(following)

    job.refresh_from_db()
    assert (job.status, job.attempt, count_written(job)) == (Status.COMPLETED, 1, 1)


def test_a_delivery_of_a_running_job_leaves_it_alone(engine: Engine):
    engine.start_worker()
    job = schedule("note_for_ever")
    engine.deliver(job)
    until_running(job)

    engine.deliver(job, times=2)
    before = count_written(job)
    wait_for(lambda: count_written(job) > before + 5, what="the job to go on")

    job.refresh_from_db()
    assert (job.status, job.attempt) == (Status.RUNNING, 1)
    cancel_job(job.pk, project=job.project)


def test_a_delivery_before_the_start_leaves_the_job_waiting(engine: Engine):
    engine.start_worker()
    early = schedule(start_at=timezone.now() + timedelta(days=3))
    engine.deliver(early)
    due = schedule()
    engine.deliver(due)

    until_completed(due)

    early.refresh_from_db()
    assert (early.status, early.attempt, count_written(early)) == (Status.SCHEDULED, 0, 0)


def test_a_job_whose_delivery_is_lost_is_sent_again(engine: Engine):
    engine.start_dispatcher()
    job = schedule()
    wait_for(engine.lose_all, what="a delivery that can be lost")  # it follows the reservation
    assert until_status(job, Status.SCHEDULED).reserved_until is not None

    engine.start_worker()

    assert until_status(job, Status.COMPLETED).attempt == 1
    assert count_written(job) == 1


def test_a_job_of_the_far_future_never_reaches_the_engine(engine: Engine):
    engine.start()
    far, due = schedule(start_at=timezone.now() + timedelta(days=400)), schedule()
    until_completed(due)
    far.refresh_from_db()
    assert (far.status, far.reserved_until) == (Status.SCHEDULED, None)

    Job.objects.filter(pk=far.pk).update(due_at=F("created_at"))

    until_completed(far)
    assert count_written(far) == 1


def test_a_job_cancelled_while_it_waits_in_the_engine_never_runs(engine: Engine):
    engine.start_dispatcher()
    job = schedule()
    until_reserved(job)
    cancel_job(job.pk, project=job.project)
    engine.start_worker()

    following = until_status(schedule(), Status.COMPLETED)

    job.refresh_from_db()
    assert (job.status, count_written(job), count_written(following)) == (Status.CANCELLED, 0, 1)


def test_after_a_cancel_nothing_more_is_written(any_engine: Engine):
    any_engine.start()
    job = schedule("note_for_ever")
    until_running(job)

    cancel_job(job.pk, project=job.project)
    written = count_written(job)
    until_completed(schedule())

    job.refresh_from_db()
    assert (job.status, count_written(job)) == (Status.CANCELLED, written)


def test_a_job_that_is_paused_in_the_engine_waits_and_runs_once_it_is_resumed(engine: Engine):
    engine.start_dispatcher()
    job = schedule()
    until_reserved(job)
    pause_jobs(action="note", reason="Maintenance")
    engine.start_worker()
    wait_for(lambda: Job.objects.filter(pk=job.pk, reserved_until=None).exists(), what="the engine to decline it")
    assert count_written(job) == 0

    resume_all_jobs()

    until_completed(job)


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_the_job_of_a_worker_that_ends_is_completed_by_another_and_nothing_is_done_twice(end: str, any_engine: Engine):
    make_visits(OWNER, 3_000)
    keys = {str(key) for key in Visit.objects.values_list("pk", flat=True)}
    worker = any_engine.start()
    job = schedule("erase_visits_slowly")
    until_running(job)

    if end == "kill":
        worker.kill()
    else:
        assert worker.stop() == 0
        job.refresh_from_db()
        assert (job.status, job.crashes, job.failures) == (Status.SCHEDULED, 0, 0), "released unharmed"
    any_engine.start_worker()

    until_completed(job)
    assert (job.attempt, job.crashes, job.failures) == (2, 1 if end == "kill" else 0, 0)
    assert sorted(Ledger.objects.values_list("what", flat=True)) == sorted(keys), "each row is deleted once"
    assert job.progress_done == job.progress_total == job.receipt["stores"]["visits"]["done"] == 3_000
    assert not Visit.objects.exists()


def test_a_job_whose_dispatcher_is_killed_is_sent_by_the_next(engine: Engine):
    dispatcher = engine.start_dispatcher()
    first = schedule()
    until_reserved(first)
    dispatcher.kill()
    engine.lose_all()
    second = schedule()

    engine.start()

    until_completed(first, second)
    assert (count_written(first), count_written(second)) == (1, 1)


def test_jobs_of_a_higher_priority_run_first(engine: Engine):
    jobs = [schedule(name) for name in ["note_late", "note", "note_soon"] * 3]
    engine.start_dispatcher()
    until_reserved(*jobs)
    engine.start_worker()

    until_completed(*jobs)

    done = list(Job.objects.order_by("started_at").values_list("action", flat=True))
    # A worker has two processes. One may be slow to begin its first job, while the other runs all that follow.
    assert "note_late" not in done[:5]
    assert done[4:].count("note_soon") <= 1


def test_a_queue_without_workers_does_not_delay_another(engine: Engine):
    stuck = schedule_many(5, "note_elsewhere")
    engine.start()

    until_completed(schedule())

    assert not Job.objects.filter(pk__in=[job.pk for job in stuck], attempt__gt=0).exists()
    engine.start_worker("elsewhere")
    until_completed(*stuck)


def test_the_table_of_workers_has_both_kinds_of_process(engine: Engine):
    engine.start()
    until_completed(schedule())

    kinds = Worker.objects.values_list("kind", flat=True)
    wait_for(lambda: set(kinds.all()) == {"dispatcher", "engine"}, what="both to beat")
