"""A process of another engine: the row decides what a call does, and nothing that the engine does can harm a job."""

import os
import signal
import threading
import time
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from jobs import JobContext, cancel_job, tasks
from jobs.engines import engine_process
from jobs.lifecycle import transitions
from jobs.models import Job, Worker
from jobs.processes.heartbeat import Heartbeat
from jobs.services.commands.pauses import pause_jobs
from jobs.status import Status
from tests.support.concurrency import InThread, until
from tests.support.execution import ago, registered_action, write_in_chunk
from tests.support.factories import make_job, make_running_job
from tests.support.hostapp.models import Ledger

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_engine_process")]


def run(job: Job) -> Job:
    """Let the engine call, on a thread of its own."""
    InThread(lambda: tasks.run_job(job.pk)).result()
    job.refresh_from_db()
    return job


def write_until_stopped(context: JobContext) -> None:
    while True:
        write_in_chunk(context)
        time.sleep(0.01)


def at_work(job: Job) -> bool:
    return Ledger.objects.filter(job_id=job.pk).count() > 1


def test_a_job_that_is_due_is_run_to_its_end():
    with registered_action(write_in_chunk) as name:
        job = run(make_job(action=name))

    assert (job.status, job.attempt, Ledger.objects.count()) == (Status.COMPLETED, 1, 1)
    assert job.worker == engine_process.current().name


def test_a_job_that_fails_is_recorded_and_nothing_reaches_the_engine():
    def fail(_: JobContext) -> None:
        raise ValueError("ana@example.com")

    with registered_action(fail, max_attempts=1) as name:
        job = run(make_job(action=name))

    assert job.status == Status.FAILED


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.FAILED, Status.CANCELLED])
def test_a_call_for_a_job_that_has_ended_does_nothing(status: Status):
    job = make_job(status=status)
    before = Job.objects.filter(pk=job.pk).values().get()

    run(job)

    assert Job.objects.filter(pk=job.pk).values().get() == before


def test_a_call_for_a_job_that_runs_elsewhere_does_nothing():
    job = make_running_job()
    token = job.lease_token

    assert run(job).lease_token == token


def test_a_call_before_its_time_does_nothing():
    assert run(make_job(due_at=ago(-60))).attempt == 0


def test_a_call_for_a_job_that_is_not_there_does_nothing():
    InThread(lambda: tasks.run_job(987_654_321)).result()

    assert not Job.objects.exists()


@pytest.mark.parametrize("why", ["paused", "disabled"])
def test_a_job_that_is_held_back_waits_and_is_handed_over_as_soon_as_it_may(why: str):
    job = make_job(reserved_until=ago(-60))
    if why == "paused":
        pause_jobs(action=job.action, reason="Look first")
    else:
        type(job.project.organization).objects.update(disabled_at=ago(5))

    run(job)

    assert (job.status, job.attempt, job.reserved_until) == (Status.SCHEDULED, 0, None)


def test_a_cancel_right_after_the_claim_ends_the_job_and_not_the_process(monkeypatch: pytest.MonkeyPatch):
    claim_one, process = transitions.claim_one, engine_process.current()

    def claim(job_id: int, **what_matters: Any) -> Job | None:
        claimed = claim_one(job_id, **what_matters)
        cancel_job(job_id, project=job.project)
        return claimed

    with registered_action(write_in_chunk) as name:
        job = make_job(action=name)
        with monkeypatch.context() as patched:
            patched.setattr(
                engine_process, "engine_statement", nullcontext
            )  # else the cancel would be in the claim's commit
            patched.setattr(transitions, "claim_one", claim)
            run(job)
        other = run(make_job(action=name))

    assert (job.status, Ledger.objects.filter(job_id=job.pk).count()) == (Status.CANCELLED, 0)
    assert (other.status, other.worker) == (Status.COMPLETED, process.name)


# ---------------------------------------------------------------- the engine's end


def test_a_process_that_is_told_to_end_hands_its_jobs_back_and_claims_no_more():
    told = threading.Event()
    engine_process.stop_when(told.is_set)
    with registered_action(write_until_stopped) as name:
        job, other = make_job(action=name), make_job(reserved_until=ago(-60))
        engine = InThread(lambda: tasks.run_job(job.pk))
        until(lambda: at_work(job), what="the job to be at work")

        told.set()
        engine.result()
        run(other)

    job.refresh_from_db()
    assert (job.status, job.crashes, job.failures, job.attempt) == (Status.SCHEDULED, 0, 0, 1)
    assert (other.attempt, other.reserved_until) == (0, None)


def test_a_signal_that_the_engine_handles_itself_hands_the_job_back_first():
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda signum, _: heard.append(signum))
    try:
        with registered_action(write_until_stopped) as name:
            job = make_job(action=name)
            killer = threading.Thread(target=lambda: (until_at_work(job), os.kill(os.getpid(), signal.SIGTERM)))
            killer.start()
            tasks.run_job(job.pk)
            killer.join()
    finally:
        signal.signal(signal.SIGTERM, before)

    job.refresh_from_db()
    assert heard == [signal.SIGTERM]
    assert (job.status, job.crashes, job.failures) == (Status.SCHEDULED, 0, 0)


def until_at_work(job: Job) -> None:
    try:
        until(lambda: at_work(job), what="the job to be at work")
    finally:
        connection.close()


def test_what_interrupts_the_engine_s_thread_lets_the_job_be_handed_back():
    class TimeLimit(Exception):
        pass

    def interrupt(signum: int, _: object) -> None:
        raise TimeLimit

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with registered_action(write_until_stopped) as name:
            job = make_job(action=name)
            killer = threading.Thread(target=lambda: (until_at_work(job), os.kill(os.getpid(), signal.SIGUSR1)))
            killer.start()
            with pytest.raises(TimeLimit):
                tasks.run_job(job.pk)
            killer.join()
            with registered_action(write_in_chunk, name="next"):
                other = run(make_job(action="next"))
    finally:
        signal.signal(signal.SIGUSR1, before)

    job.refresh_from_db()
    assert (job.status, job.crashes, job.failures) == (Status.SCHEDULED, 0, 0)
    assert other.status == Status.COMPLETED, "only that job was stopped"


# ---------------------------------------------------------------- signs of life


def test_a_job_that_takes_longer_than_its_lease_keeps_it():
    def take_long(context: JobContext) -> None:
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            threading.Event().wait(0.05)
        write_in_chunk(context)

    with registered_action(take_long) as name:
        assert run(make_job(action=name)).status == Status.COMPLETED


def test_an_action_without_progress_loses_its_attempt_and_the_engine_gets_its_thread_back():
    let_go = threading.Event()

    with registered_action(lambda _: let_go.wait(), deadline=timedelta(milliseconds=200), max_attempts=1) as name:
        job = run(make_job(action=name))
        assert job.status == Status.FAILED
        assert job.errors == "The job made no progress for 0.2 seconds."
        with registered_action(write_in_chunk, name="next"):
            assert run(make_job(action="next")).status == Status.COMPLETED
        let_go.set()


def test_the_process_shows_that_it_lives_and_leaves_in_good_order():
    run(make_job(status=Status.COMPLETED))
    until(Worker.objects.exists, what="a beat")

    (row,) = Worker.objects.all()
    engine_process.current().end()

    assert (row.name, row.kind) == (engine_process.current().name, Worker.Kind.ENGINE)
    assert not Worker.objects.exists()


def test_a_beat_in_the_midst_does_not_bring_back_a_process_that_has_left(monkeypatch: pytest.MonkeyPatch):
    beat, leave = Heartbeat.beat, Heartbeat.leave
    beating, left, beaten = threading.Event(), threading.Event(), threading.Event()

    def beat_late(self: Heartbeat) -> None:
        beating.set()
        left.wait(0.5)
        beat(self)
        beaten.set()

    def note_leave(self: Heartbeat) -> None:
        leave(self)
        left.set()

    monkeypatch.setattr(Heartbeat, "beat", beat_late)
    monkeypatch.setattr(Heartbeat, "leave", note_leave)
    process = engine_process.current()
    assert beating.wait(10)

    process.end()

    assert beaten.wait(10)
    assert not Worker.objects.exists()


def test_a_fork_begins_anew(monkeypatch: pytest.MonkeyPatch):
    first = engine_process.current()

    engine_process._forget_in_fork()  # what os.fork() calls in the child

    second = engine_process.current()
    assert second is not first
    assert second.name != first.name
    first.end()
