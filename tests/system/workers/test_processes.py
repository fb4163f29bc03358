"""``jobworker --processes``: a parent that starts processes anew, stops with them, and leaves none behind."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobs.models import Job, JobEvent, Worker
from jobs.status import Status
from tests.support.concurrency import postgresql_only, sqlite_only, until
from tests.support.execution import last_event
from tests.support.factories import make_job
from tests.support.hostapp.models import Ledger
from tests.support.processes import Process
from tests.support.worker_process import status_of, until_status, worker_process

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]


@contextmanager
def two_processes(*options: str) -> Iterator[tuple[Process, set[int]]]:
    """Run two processes of one thread each; give the parent and the pids of the two."""
    with worker_process("--processes", "2", "--threads", "1", *options) as parent:
        until(lambda: len(pids()) == 2 or not parent.is_alive, what="both processes to send a beat")
        children = pids()
        try:
            yield parent, children
        finally:
            for pid in children:
                if is_alive(pid):
                    os.kill(pid, signal.SIGKILL)


def pids() -> set[int]:
    """Return the pids in the names of all workers that have a row."""
    return {int(name.split(":")[1]) for name in Worker.objects.values_list("name", flat=True)}


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def assert_released(job: Job) -> None:
    job.refresh_from_db()
    assert (job.status, job.crashes, job.attempt) == (Status.SCHEDULED, 0, 1)
    assert last_event(job).what == JobEvent.What.RELEASED


@postgresql_only
def test_the_jobs_are_run_by_both_and_both_end_with_their_parent():
    with two_processes() as (parent, children):
        jobs = [make_job(action="note_for_ever") for _ in range(2)]
        for job in jobs:
            until_status(job, Status.RUNNING, worker=parent)
        workers = {Job.objects.get(pk=job.pk).worker for job in jobs}

        assert parent.stop() == 0

        assert {int(str(name).split(":")[1]) for name in workers} == children
        assert not any(map(is_alive, children))
    assert not Worker.objects.exists()
    for job in jobs:
        assert_released(job)


@postgresql_only
def test_a_killed_process_is_replaced_and_the_other_goes_on():
    with two_processes() as (parent, children):
        killed, other = sorted(children)
        os.kill(killed, signal.SIGKILL)
        until(lambda: len(pids() - {killed}) == 2, what="another process to send a beat")
        jobs = [make_job(action="note") for _ in range(10)]
        for job in jobs:
            until_status(job, Status.COMPLETED, worker=parent)

        assert is_alive(other)
        assert f"pid={killed} ended with -9" in parent.log
        assert parent.stop() == 0
        assert not any(map(is_alive, pids() - {killed}))
    assert Ledger.objects.count() == 10


@postgresql_only
def test_the_job_of_a_killed_process_is_run_again_by_another():
    with two_processes() as (parent, _):
        job = until_status(make_job(action="note_for_ever"), Status.RUNNING, worker=parent)
        os.kill(int(job.worker.split(":")[1]), signal.SIGKILL)

        until(lambda: Job.objects.get(pk=job.pk).attempt == 2, what="the job to be claimed again", seconds=60)

        job.refresh_from_db()
        assert (job.status, job.crashes) == (Status.RUNNING, 1)


@postgresql_only
def test_if_the_parent_is_killed_its_processes_release_their_jobs_and_end():
    with two_processes() as (parent, children):
        job = until_status(make_job(action="note_for_ever"), Status.RUNNING, worker=parent)

        parent.kill()

        until(lambda: not any(map(is_alive, children)), what="both processes to end")
    assert_released(job)
    assert not Worker.objects.exists()


@postgresql_only
def test_a_signal_to_the_whole_group_stops_all_as_gently_as_one_to_the_parent():
    with two_processes() as (parent, children):
        job = until_status(make_job(action="note_for_ever"), Status.RUNNING, worker=parent)

        for pid in (*children, parent.pid):  # as systemd and a terminal do
            os.kill(pid, signal.SIGTERM)

        assert parent.wait() == 0
        assert not any(map(is_alive, children))
    assert_released(job)


@postgresql_only
def test_a_frozen_process_is_killed_when_the_parent_must_end():
    with two_processes() as (parent, children):
        os.kill(min(children), signal.SIGSTOP)
        begun = time.monotonic()

        assert parent.stop() == 3

        assert 9 < time.monotonic() - begun < 15
        assert not any(map(is_alive, children))


@postgresql_only
def test_a_second_signal_kills_all_at_once():
    with two_processes() as (parent, children):
        os.kill(min(children), signal.SIGSTOP)  # so that the first one cannot end all
        parent.send(signal.SIGTERM)
        until(lambda: not is_alive(max(children)) or is_zombie(max(children)), what="the other one to end")
        begun = time.monotonic()

        parent.send(signal.SIGTERM)

        assert parent.wait() == 128 + signal.SIGTERM
        assert time.monotonic() - begun < 5
        until(lambda: not is_alive(min(children)), what="the frozen one to end")


def is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


@postgresql_only
def test_a_drain_by_several_processes_runs_each_due_job_once_and_ends():
    jobs = [make_job(action="note") for _ in range(30)]

    with worker_process("--processes", "3", "--drain") as parent:
        assert parent.wait(60) == 0

    assert {status_of(job) for job in jobs} == {Status.COMPLETED}
    assert Ledger.objects.count() == 30
    assert not Worker.objects.exists()


@sqlite_only
def test_on_sqlite_several_processes_are_refused_with_the_reason():
    with worker_process("--processes", "2") as parent:
        assert parent.wait() == 1

        assert "--processes needs PostgreSQL" in parent.log
