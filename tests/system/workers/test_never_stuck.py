"""A worker is never stuck: not on a frozen connection, not by code that holds the GIL, not at its end."""

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from jobs.models import Job
from jobs.status import Status
from tests.support.concurrency import execute, one_value, postgresql_only, until
from tests.support.factories import make_job
from tests.support.freezing_proxy import FreezingProxy, freezing_proxy
from tests.support.hostapp.models import Ledger
from tests.support.http_server import database_url
from tests.support.processes import Process
from tests.support.worker_process import status_of, until_status, worker_process

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(240)]

WATCHED = {"settings": "tests.settings_watched"}
WATCHDOG_SECONDS = 10


def counted(job: Job) -> tuple[int, int]:
    return one_value(f"SELECT failures FROM jobs_job WHERE id = {job.pk}"), one_value(
        f"SELECT crashes FROM jobs_job WHERE id = {job.pk}"
    )


def progress_of(job: Job) -> int:
    return one_value(f"SELECT progress_done FROM jobs_job WHERE id = {job.pk}")


def until_progress(job: Job, worker: Process) -> None:
    before = progress_of(job)
    until(lambda: progress_of(job) > before + 3 or not worker.is_alive, what="chunks", seconds=60)
    assert worker.is_alive, worker.log


@pytest.fixture
def proxy() -> Iterator[FreezingProxy]:
    with freezing_proxy(database_url()) as proxy:
        yield proxy


@postgresql_only
def test_a_worker_whose_connections_freeze_connects_anew_and_goes_on(proxy: FreezingProxy):
    job = make_job(action="note_for_ever")
    with worker_process(**WATCHED, DATABASE_URL=proxy.url) as worker:
        until_progress(job, worker)
        assert proxy.freeze(new=False) >= 3

        until_progress(job, worker)
        due = make_job(action="note")
        until_status(due, Status.COMPLETED, worker=worker)

    assert counted(job) == (0, 0)


@postgresql_only
def test_a_worker_survives_a_frozen_database_of_any_length_and_counts_nothing(proxy: FreezingProxy):
    job = make_job(action="note_for_ever")
    with worker_process(**WATCHED, DATABASE_URL=proxy.url) as worker:
        until_progress(job, worker)
        proxy.freeze()
        with pytest.raises(AssertionError, match="waited"):
            until(lambda: not worker.is_alive, what="its end", seconds=2.5 * WATCHDOG_SECONDS)
        proxy.drop_frozen()

        until_progress(job, worker)
        assert worker.stop() == 0

    assert counted(job) == (0, 0)


@postgresql_only
def test_a_worker_ends_in_time_although_the_database_is_frozen(proxy: FreezingProxy):
    job = make_job(action="note_for_ever")
    with worker_process(**WATCHED, DATABASE_URL=proxy.url) as worker:
        until_progress(job, worker)
        proxy.freeze()
        begun = time.monotonic()
        worker.stop()

    assert time.monotonic() - begun < 12


@postgresql_only
def test_an_action_that_waits_for_the_database_past_its_deadline_fails_and_its_worker_goes_on():
    job = make_job(action="ask_long")
    with worker_process(**WATCHED) as worker:
        until_status(job, Status.FAILED, worker=worker)
        after = [make_job(action="note") for _ in range(8)]
        for one in after:
            until_status(one, Status.COMPLETED, worker=worker)

        assert worker.stop() == 0

    # The server notices only when it answers that nobody waits any more.
    execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'")
    assert counted(job) == (1, 0)


def test_an_action_that_ends_a_moment_after_its_deadline_fails_and_its_worker_goes_on():
    job = make_job(action="late")
    with worker_process(**WATCHED) as worker:
        until_status(job, Status.FAILED, worker=worker)
        until_status(make_job(action="note"), Status.COMPLETED, worker=worker)

        assert worker.stop() == 0

    assert counted(job) == (1, 0)


def test_a_job_that_holds_the_gil_is_given_up_and_its_neighbours_complete():
    poison = make_job(action="hold_gil")
    neighbours = [make_job(action="note") for _ in range(9)]
    logs: list[str] = []

    with ExitStack() as stack:
        workers = [stack.enter_context(worker_process("--threads=2", **WATCHED)) for _ in range(3)]

        def is_over() -> bool:
            for place, worker in enumerate(workers):
                if not worker.is_alive:
                    logs.append(worker.log)
                    workers[place] = stack.enter_context(worker_process("--threads=2", **WATCHED))
            time.sleep(0.2)
            return status_of(poison) == Status.FAILED and len(logs) == 3

        until(is_over, what="the job to be given up", seconds=200)
        for neighbour in neighbours:
            until_status(neighbour, Status.COMPLETED)

    assert counted(poison) == (0, 3)
    assert {counted(neighbour)[0] for neighbour in neighbours} == {0}
    assert all(counted(neighbour)[1] <= 1 for neighbour in neighbours)
    assert all("in hold_gil" in log and poison.reference_id not in log for log in logs)


def test_sigterm_ends_a_worker_whose_gil_is_held():
    job = make_job(action="hold_gil")
    with worker_process(**WATCHED) as worker:
        until_status(job, Status.RUNNING)
        time.sleep(1)
        begun = time.monotonic()

        worker.send(signal.SIGTERM)

        assert worker.wait(WATCHDOG_SECONDS + 5) == 1
        assert time.monotonic() - begun < WATCHDOG_SECONDS + 3


def test_a_child_of_an_action_ends_by_sigterm_and_has_connections_of_its_own():
    job = make_job(action="end_child")
    with worker_process(**WATCHED) as worker:
        until_status(job, Status.COMPLETED, worker=worker)

        assert worker.stop() == 0

    assert Ledger.objects.get(job_id=job.pk).what == f"{-signal.SIGTERM} 0"


def test_a_worker_ends_in_time_whatever_its_actions_leave_behind():
    job = make_job(action="leave_company")
    with worker_process(**WATCHED) as worker:
        until_status(job, Status.COMPLETED, worker=worker)
        begun = time.monotonic()

        worker.stop()

        assert time.monotonic() - begun < 12
        assert "ended" in worker.log
