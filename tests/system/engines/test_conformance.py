"""What must hold on every engine, with its real processes."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from jobs import cancel_job, schedule_job
from jobs.models import Job, Worker
from jobs.services.commands.pauses import pause_jobs, resume_all_jobs
from jobs.status import Status
from tests.support.execution import make_visits
from tests.support.factories import make_project
from tests.support.hostapp.models import Ledger, Visit
from tests.system.engines.engines import Engine
from tests.system.engines.processes import wait_for

pytestmark = pytest.mark.timeout(240)

OWNER = "ana@example.com"


def schedule(action: str = "note", **what_matters: Any) -> Job:
    return schedule_job(action, **{"project": make_project(), "reference_id": OWNER, **what_matters})


def start(engine: Engine) -> None:
    """Start all that the engine needs to run jobs."""
    if engine.has_dispatcher:
        engine.start_dispatcher()
    engine.start_worker()


def until_status(job: Job, status: Status) -> Job:
    wait_for(lambda: Job.objects.filter(pk=job.pk, status=status).exists(), what=f"job {job.action} to be {status}")
    job.refresh_from_db()
    return job


def until_reserved(*jobs: Job) -> None:
    ids = [job.pk for job in jobs]
    reserved = Job.objects.filter(pk__in=ids, reserved_until__isnull=False)
    wait_for(lambda: reserved.count() == len(ids), what="jobs to be handed over")


def until_at_work(job: Job) -> None:
    wait_for(lambda: lines_of(job) > 2, what="the job to be at work")


def lines_of(job: Job) -> int:
    return Ledger.objects.filter(job_id=job.pk).count()


def test_every_job_runs_once(any_engine: Engine):
    start(any_engine)
    project = make_project()

    jobs = [schedule(project=project, reference_id=f"user-{number}") for number in range(30)]

    for job in jobs:
        until_status(job, Status.COMPLETED)
    assert [lines_of(job) for job in jobs] == [1] * 30
    assert not Job.objects.exclude(attempt=1, crashes=0, failures=0).exists()


def test_two_dispatchers_hand_no_job_over_that_the_other_has(engine: Engine):
    engine.programs.environment["TEST_RESERVE_SECONDS"] = "60"  # none is sent again, so each delivery counts
    dispatchers = [engine.start_dispatcher(), engine.start_dispatcher()]

    jobs = [schedule(reference_id=f"user-{number}") for number in range(40)]

    until_reserved(*jobs)
    deliveries = 0
    while deliveries < len(jobs):
        deliveries += wait_for(engine.lose_all, what="a delivery of each job")
    assert [dispatcher.stop() for dispatcher in dispatchers] == [0, 0]
    assert deliveries + engine.lose_all() == len(jobs)


def test_a_delivery_that_comes_again_and_again_changes_nothing(engine: Engine):
    job = schedule()
    engine.deliver(job, times=5)
    engine.start_worker()
    until_status(job, Status.COMPLETED)

    engine.deliver(job, times=3)
    other = schedule()
    engine.deliver(other)
    until_status(other, Status.COMPLETED)

    job.refresh_from_db()
    assert (job.status, job.attempt, lines_of(job)) == (Status.COMPLETED, 1, 1)


def test_a_second_delivery_while_the_job_runs_leaves_it_alone(engine: Engine):
    engine.start_worker()
    job = schedule("note_for_ever")
    engine.deliver(job)
    until_at_work(job)

    engine.deliver(job, times=2)
    before = lines_of(job)
    wait_for(lambda: lines_of(job) > before + 5, what="the job to go on")

    job.refresh_from_db()
    assert (job.status, job.attempt) == (Status.RUNNING, 1)
    cancel_job(job.pk, project=job.project)


def test_a_delivery_before_its_time_leaves_the_job_waiting(engine: Engine):
    engine.start_worker()
    early = schedule(start_at=timezone.now() + timedelta(days=3))
    engine.deliver(early)
    due = schedule()
    engine.deliver(due)

    until_status(due, Status.COMPLETED)

    early.refresh_from_db()
    assert (early.status, early.attempt, lines_of(early)) == (Status.SCHEDULED, 0, 0)


def test_a_delivery_that_is_lost_is_made_good(engine: Engine):
    engine.start_dispatcher()
    job = schedule()
    wait_for(engine.lose_all, what="a delivery that can be lost")  # it comes a moment after the reservation
    assert until_status(job, Status.SCHEDULED).reserved_until is not None

    engine.start_worker()

    assert until_status(job, Status.COMPLETED).attempt == 1
    assert lines_of(job) == 1


def test_a_job_of_the_far_future_never_reaches_the_engine(engine: Engine):
    start(engine)
    far, due = schedule(start_at=timezone.now() + timedelta(days=400)), schedule()
    until_status(due, Status.COMPLETED)
    far.refresh_from_db()
    assert (far.status, far.reserved_until) == (Status.SCHEDULED, None)

    Job.objects.filter(pk=far.pk).update(due_at=F("created_at"))

    until_status(far, Status.COMPLETED)
    assert lines_of(far) == 1


def test_a_job_cancelled_while_it_waits_in_the_engine_never_runs(engine: Engine):
    engine.start_dispatcher()
    job = schedule()
    until_reserved(job)
    cancel_job(job.pk, project=job.project)
    engine.start_worker()

    other = until_status(schedule(), Status.COMPLETED)

    job.refresh_from_db()
    assert (job.status, lines_of(job), lines_of(other)) == (Status.CANCELLED, 0, 1)


def test_after_a_cancel_nothing_is_written_any_more(any_engine: Engine):
    start(any_engine)
    job = schedule("note_for_ever")
    until_at_work(job)

    cancel_job(job.pk, project=job.project)
    written = lines_of(job)
    until_status(schedule(), Status.COMPLETED)

    job.refresh_from_db()
    assert (job.status, lines_of(job)) == (Status.CANCELLED, written)


def test_a_job_that_is_paused_in_the_engine_waits_and_runs_once_it_is_resumed(engine: Engine):
    engine.start_dispatcher()
    job = schedule()
    until_reserved(job)
    pause_jobs(action="note", reason="Look first")
    engine.start_worker()
    wait_for(lambda: Job.objects.filter(pk=job.pk, reserved_until=None).exists(), what="the engine to decline it")
    assert lines_of(job) == 0

    resume_all_jobs()

    until_status(job, Status.COMPLETED)


def test_a_job_whose_worker_is_killed_is_taken_over_and_nothing_is_done_twice(any_engine: Engine):
    make_visits(OWNER, 3_000)
    if any_engine.has_dispatcher:
        any_engine.start_dispatcher()
    worker = any_engine.start_worker()
    job = schedule("erase_visits_slowly")
    until_at_work(job)

    worker.kill()
    any_engine.start_worker()

    job = until_status(job, Status.COMPLETED)
    assert (job.attempt, job.crashes) == (2, 1)
    assert lines_of(job) == job.progress_done == 3_000
    assert not Visit.objects.exists()


def test_a_worker_that_is_asked_to_end_hands_its_job_back_unharmed(any_engine: Engine):
    make_visits(OWNER, 3_000)
    if any_engine.has_dispatcher:
        any_engine.start_dispatcher()
    worker = any_engine.start_worker()
    job = schedule("erase_visits_slowly")
    until_at_work(job)

    status = worker.stop()

    job.refresh_from_db()
    assert (status, job.status, job.crashes, job.failures) == (0, Status.SCHEDULED, 0, 0)
    any_engine.start_worker()
    job = until_status(job, Status.COMPLETED)
    assert lines_of(job) == 3_000


def test_a_job_whose_dispatcher_is_killed_is_handed_over_by_the_next(engine: Engine):
    dispatcher = engine.start_dispatcher()
    first = schedule()
    until_reserved(first)
    dispatcher.kill()
    engine.lose_all()
    second = schedule()

    start(engine)

    for job in (first, second):
        until_status(job, Status.COMPLETED)
        assert lines_of(job) == 1


def test_what_has_priority_runs_first(engine: Engine):
    names = ["note_late", "note", "note_soon"] * 3
    jobs = [schedule(name) for name in names]
    engine.start_dispatcher()
    until_reserved(*jobs)
    engine.start_worker()

    for job in jobs:
        until_status(job, Status.COMPLETED)

    done = list(Job.objects.order_by("started_at").values_list("action", flat=True))
    # Of two processes of a worker, one may be slow to begin the job that it was given before all that follow.
    assert "note_late" not in done[:5]
    assert done[4:].count("note_soon") <= 1


def test_a_queue_that_nobody_works_on_holds_up_no_other(engine: Engine):
    stuck = [schedule("note_elsewhere", reference_id=f"user-{number}") for number in range(5)]
    start(engine)

    until_status(schedule(), Status.COMPLETED)

    assert not Job.objects.filter(pk__in=[job.pk for job in stuck], attempt__gt=0).exists()
    engine.start_worker("elsewhere")
    for job in stuck:
        until_status(job, Status.COMPLETED)


def test_people_see_which_processes_live(engine: Engine):
    start(engine)
    until_status(schedule(), Status.COMPLETED)

    kinds = wait_for(
        lambda: set(Worker.objects.values_list("kind", flat=True)) == {"dispatcher", "engine"}, what="both to beat"
    )

    assert kinds
