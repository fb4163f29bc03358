"""The worker as a process of its own, from its start to every kind of end."""

import signal
import threading
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from jobs import schedule_job
from jobs.models import Job, JobEvent, Worker
from jobs.status import Status
from jobs.workers.worker import JobWorker
from tests.support.concurrency import one_value, other_connection, postgresql_only, until
from tests.support.execution import last_event
from tests.support.factories import make_job, make_project
from tests.support.hostapp.models import Ledger
from tests.support.worker_process import status_of, until_status, worker_process

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]


def progress_of(job: Job) -> int:
    return Job.objects.values_list("progress_done", flat=True).get(pk=job.pk)


def assert_released(job: Job) -> None:
    job.refresh_from_db()
    assert (job.status, job.failures, job.crashes, job.attempt) == (Status.SCHEDULED, 0, 0, 1)
    assert last_event(job).what == JobEvent.What.RELEASED


def test_a_worker_runs_jobs_that_are_due_or_become_due_and_no_other():
    project = make_project()
    due = [make_job(project=project, action="note") for _ in range(10)]
    later = make_job(project=project, action="note", due_at=timezone.now() + timedelta(hours=1))

    with worker_process() as worker:
        for job in due:
            until_status(job, Status.COMPLETED, worker=worker)
        now = schedule_job("note", project=project, reference_id="now")
        soon = schedule_job(
            "note", project=project, reference_id="soon", start_at=timezone.now() + timedelta(seconds=1)
        )
        until_status(now, Status.COMPLETED, worker=worker)
        until_status(soon, Status.COMPLETED, worker=worker)

        assert worker.stop() == 0

    assert soon.started_at >= soon.start_at
    assert status_of(later) == Status.SCHEDULED
    assert Ledger.objects.count() == 12


def test_a_worker_has_a_row_in_the_table_of_workers_while_it_lives():
    with worker_process() as worker:
        until(Worker.objects.exists, what="the worker's row")
        first = Worker.objects.get()
        until(lambda: Worker.objects.get().beat_at > first.beat_at, what="a beat")

        worker.stop()

    assert not Worker.objects.exists()


def test_a_worker_keeps_its_row_until_its_jobs_have_reached_their_next_chunk():
    seen: list[bool] = []
    runner = threading.Thread()
    runner.is_alive = lambda: seen.append(Worker.objects.exists())  # type: ignore[method-assign]  # None: it has ended
    worker = JobWorker(threads=1)
    worker._runners = [runner]
    worker._heartbeat.beat()

    worker._end()

    assert (seen, Worker.objects.exists()) == ([True], False)


def test_a_drain_runs_due_jobs_and_ends():
    due = [make_job(action="note") for _ in range(30)]
    later = make_job(action="note", due_at=timezone.now() + timedelta(hours=1))

    with worker_process("--drain", "--threads", "2") as worker:
        assert worker.wait() == 0

    assert {status_of(job) for job in due} == {Status.COMPLETED}
    assert status_of(later) == Status.SCHEDULED


def test_a_drain_in_this_process_runs_due_jobs_and_ends():
    outcomes = {"note": "completed", "leak": "failed", "touch": "completed", "erase_visits": "completed"}
    jobs = [make_job(action=action) for action in outcomes]

    assert JobWorker(threads=2, drain=True).run() == 0

    assert {job.action: status_of(job) for job in jobs} == outcomes
    assert not Worker.objects.exists()


def test_the_log_of_a_worker_contains_no_reference():
    canary = "canary@example.com"
    jobs = [make_job(action=action, reference_id=canary) for action in ("leak", "note", "erase_visits", "was_removed")]

    with worker_process("--drain") as worker:
        worker.wait()

        assert canary not in worker.log
        assert f"job={jobs[0].pk}" in worker.log


@pytest.mark.parametrize(
    ("action", "chunks", "signum", "seconds"),
    [
        ("note_for_ever", 3, signal.SIGTERM, 5),
        ("note_for_ever", 3, signal.SIGINT, 5),
        ("hang_long", 0, signal.SIGTERM, 10),
    ],
    ids=["SIGTERM", "Ctrl-C", "no chunk is reached"],
)
def test_a_running_job_is_released_in_time(action: str, chunks: int, signum: signal.Signals, seconds: float):
    job = make_job(action=action)
    with worker_process() as worker:
        until_status(job, Status.RUNNING)
        until(lambda: progress_of(job) >= chunks, what="chunks")

        begun = time.monotonic()
        worker.send(signum)
        assert worker.wait() == 0
        took = time.monotonic() - begun

    assert_released(job)
    assert took < seconds
    assert Ledger.objects.count() == job.progress_done


def test_a_second_signal_ends_the_worker_at_once():
    job = make_job(action="hang_long")
    with worker_process() as worker:
        until_status(job, Status.RUNNING)
        begun = time.monotonic()

        # Two different signals: two of one kind may reach a process as one.
        worker.send(signal.SIGTERM)
        worker.send(signal.SIGINT)

        assert worker.wait() in (128 + signal.SIGTERM, 128 + signal.SIGINT)
        assert time.monotonic() - begun < 3

    assert status_of(job) == Status.RUNNING


def test_a_job_that_kills_its_workers_is_given_up_and_no_other_job_fails():
    poison = make_job(action="die")
    neighbours = [make_job(action="note") for _ in range(12)]
    deaths = 0

    while status_of(poison) != Status.FAILED and deaths < 4:
        with worker_process() as worker:
            until(lambda worker=worker: not worker.is_alive or status_of(poison) == Status.FAILED, what="an end")
            deaths += not worker.is_alive

    with worker_process() as worker:
        for neighbour in neighbours:
            until_status(neighbour, Status.COMPLETED, worker=worker)
    poison.refresh_from_db()
    assert (poison.status, poison.crashes, deaths) == (Status.FAILED, 3, 3)
    assert poison.errors == "The worker running this job stopped unexpectedly 3 times, so it was given up."
    # Only jobs that had begun beside it, the first time, can have crashed.
    assert {neighbour.failures for neighbour in neighbours} == {0}
    assert sum(neighbour.crashes for neighbour in neighbours) <= 3
    for neighbour in neighbours:
        # Each chunk counts once; an action that a crash interrupted, even after its chunk, runs again.
        lines = Ledger.objects.filter(job_id=neighbour.pk).count()
        assert lines == neighbour.progress_done
        assert 1 <= lines <= 1 + neighbour.crashes


def test_a_job_that_makes_no_progress_loses_its_attempt_and_the_worker_is_replaced():
    stuck, neighbour = make_job(action="hang"), make_job(action="note")
    with worker_process() as worker:
        until_status(neighbour, Status.COMPLETED)
        begun = time.monotonic()
        assert worker.wait() == 3
        took = time.monotonic() - begun
    stuck.refresh_from_db()
    first = (stuck.status, stuck.failures, stuck.crashes)

    with worker_process() as worker:
        assert worker.wait() == 3

    stuck.refresh_from_db()
    assert first == (Status.SCHEDULED, 1, 0)
    assert took < 5, "it does not wait for the stuck thread"
    assert (stuck.status, stuck.errors) == (Status.FAILED, "The job made no progress for 1 seconds.")


@postgresql_only
def test_a_worker_goes_on_after_it_has_lost_all_its_connections():
    job = make_job(action="note_for_ever")
    ours = one_value("SELECT pg_backend_pid()")
    cut = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid NOT IN (%s, pg_backend_pid())"
    )
    with worker_process() as worker:
        for _ in range(3):
            before = progress_of(job)
            until(lambda before=before: progress_of(job) > before + 3, what="chunks")
            with other_connection() as other, other.cursor() as cursor:
                cursor.execute(cut, [ours])
                assert cursor.fetchone()[0] >= 3
        after = schedule_job("note", project=job.project, reference_id="a")
        until_status(after, Status.COMPLETED, worker=worker)

        assert worker.stop() == 0

    job.refresh_from_db()
    assert (job.failures, job.crashes) == (0, 0)
    assert Ledger.objects.filter(job_id=job.pk).count() == job.progress_done
