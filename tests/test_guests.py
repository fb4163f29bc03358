"""A process of another engine: the row decides what a call does, and nothing that the engine does can harm a job."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import override_settings

from jobs import JobContext, guests, runner, tasks, transitions
from jobs.models import Job, Worker
from jobs.services import pause_jobs
from jobs.status import Status
from tests.engine import ago, registered, write_in_chunk
from tests.factories import make_job, make_running_job
from tests.hostapp.models import Ledger
from tests.others import InThread, until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _own_guest(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with override_settings(JOBS={"BEAT_SECONDS": 0.2, "LEASE_SECONDS": 1}):
        monkeypatch.setattr(guests, "_guest", None)
        monkeypatch.setattr(guests, "_is_stop_asked", None)
        yield
        if guests._guest is not None:
            guests._guest._leases.stopping.set()
            until(lambda: not guests.current()._running, what="the last job to end")
            guests._guest.end()


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
    with registered(write_in_chunk) as name:
        job = run(make_job(action=name))

    assert (job.status, job.attempt, Ledger.objects.count()) == (Status.COMPLETED, 1, 1)
    assert job.worker == guests.current().name


def test_a_job_that_fails_is_recorded_and_nothing_reaches_the_engine():
    def fail(_: JobContext) -> None:
        raise ValueError("ana@example.com")

    with registered(fail, max_attempts=1) as name:
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


def test_jobs_keep_their_connection_whatever_the_engine_closes_between_them():
    seen: list[Any] = []

    def look(_: JobContext) -> None:
        seen.append(connection.connection)

    with registered(look) as name:
        for _ in range(3):
            run(make_job(action=name))

    assert seen[0] is not None
    assert seen[0] is seen[1] is seen[2]


def test_a_connection_that_the_server_has_closed_is_replaced(monkeypatch: pytest.MonkeyPatch):
    claim_one, failures = transitions.claim_one, [1]

    def claim(*args: Any, **kwargs: Any) -> bool:
        if failures:
            failures.pop()
            raise lost_connection()
        return claim_one(*args, **kwargs)

    monkeypatch.setattr(transitions, "claim_one", claim)
    with registered(write_in_chunk) as name:
        assert run(make_job(action=name)).status == Status.COMPLETED


def test_a_claim_whose_answer_was_lost_is_known_by_its_token(monkeypatch: pytest.MonkeyPatch):
    claim_one = transitions.claim_one

    def claim(*args: Any, **kwargs: Any) -> bool:
        claim_one(*args, **kwargs)
        raise lost_connection()

    monkeypatch.setattr(transitions, "claim_one", claim)
    # Where the claim stands in a transaction it is rolled back with the error; the lost answer comes after the commit.
    monkeypatch.setattr(guests, "engine_statement", engine_that_commits_before_errors)
    with registered(write_in_chunk) as name:
        job = run(make_job(action=name))

    assert (job.status, job.attempt, Ledger.objects.count()) == (Status.COMPLETED, 1, 1)


def test_while_the_database_is_away_a_call_gives_up_and_raises_nothing(monkeypatch: pytest.MonkeyPatch):
    def claim(*_: Any, **__: Any) -> bool:
        raise lost_connection()

    monkeypatch.setattr(guests, "CLAIM_SECONDS", 0.2)
    monkeypatch.setattr(transitions, "claim_one", claim)

    assert run(make_job()).status == Status.SCHEDULED


def test_an_outcome_that_cannot_be_written_is_given_back_and_the_process_works_on(monkeypatch: pytest.MonkeyPatch):
    def fail(*_: Any, **__: Any) -> None:
        raise lost_connection()

    with registered(write_in_chunk) as name:
        job = make_job(action=name)
        with monkeypatch.context() as patched:
            patched.setattr(runner, "run", fail)
            run(job)
        until(lambda: Job.objects.filter(pk=job.pk, status=Status.SCHEDULED).exists(), what="the job to be given back")
        others = [run(make_job(action=name)) for _ in range(3)]

    assert [other.status for other in others] == [Status.COMPLETED] * 3
    assert Job.objects.get(pk=job.pk).crashes == 0


def lost_connection() -> OperationalError:
    error = OperationalError("the connection is closed")
    error.__cause__ = connection.Database.OperationalError("the connection is closed")
    if connection.vendor == "sqlite":
        error.__cause__.sqlite_errorcode = 14  # type: ignore[attr-defined]
    return error


class engine_that_commits_before_errors:  # noqa: N801 – stands for a function
    """Autocommit: what was written stays, whatever is raised after it."""

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


# ---------------------------------------------------------------- the engine's end


def test_a_process_that_is_told_to_end_hands_its_jobs_back_and_claims_no_more():
    told = threading.Event()
    guests.stop_when(told.is_set)
    with registered(write_until_stopped) as name:
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
        with registered(write_until_stopped) as name:
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
        with registered(write_until_stopped) as name:
            job = make_job(action=name)
            killer = threading.Thread(target=lambda: (until_at_work(job), os.kill(os.getpid(), signal.SIGUSR1)))
            killer.start()
            with pytest.raises(TimeLimit):
                tasks.run_job(job.pk)
            killer.join()
            with registered(write_in_chunk, name="next"):
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

    with registered(take_long) as name:
        assert run(make_job(action=name)).status == Status.COMPLETED


def test_an_action_without_progress_loses_its_attempt_and_the_engine_gets_its_thread_back():
    let_go = threading.Event()

    with registered(lambda _: let_go.wait(), deadline=timedelta(milliseconds=200), max_attempts=1) as name:
        job = run(make_job(action=name))
        assert job.status == Status.FAILED
        assert job.errors == "The job made no progress for 0.2 seconds."
        with registered(write_in_chunk, name="next"):
            assert run(make_job(action="next")).status == Status.COMPLETED
        let_go.set()


def test_the_process_shows_that_it_lives_and_leaves_in_good_order():
    run(make_job(status=Status.COMPLETED))
    until(Worker.objects.exists, what="a beat")

    (row,) = Worker.objects.all()
    guests.current().end()

    assert (row.name, row.kind) == (guests.current().name, Worker.Kind.ENGINE)
    assert not Worker.objects.exists()


def test_a_fork_begins_anew(monkeypatch: pytest.MonkeyPatch):
    first = guests.current()

    guests._forget_in_fork()  # what os.fork() calls in the child

    second = guests.current()
    assert second is not first
    assert second.name != first.name
    first.end()
