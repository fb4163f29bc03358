"""An engine process keeps its connections while they work, and replaces them when they do not."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, NoReturn

import pytest
from django.db import connection

from jobs import JobContext
from jobs.engines import engine_process
from jobs.execution import runner
from jobs.lifecycle import transitions
from jobs.models import Job, JobEvent
from jobs.processes.releases import ReleaseQueue
from jobs.services.commands.pauses import pause_jobs
from jobs.status import Status
from tests.support.concurrency import InThread, lost_connection, one_value, postgresql_only, somebody_holds, until
from tests.support.deliveries import deliver
from tests.support.execution import registered_action, write_in_chunk
from tests.support.factories import make_job
from tests.support.hostapp.models import Ledger

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_engine_process")]


def test_jobs_keep_their_connection_although_each_delivery_has_a_thread_of_its_own():
    seen: list[Any] = []

    with registered_action(lambda _: seen.append(connection.connection)) as name:
        for _ in range(3):
            deliver(make_job(action=name))

    assert seen[0] is not None
    assert seen[0] is seen[1] is seen[2]


def test_a_connection_that_the_server_has_closed_is_replaced(monkeypatch: pytest.MonkeyPatch):
    claim_one, errors = transitions.claim_one, [lost_connection()]

    def claim(*args: Any, **kwargs: Any) -> Job | None:
        if errors:
            raise errors.pop()
        return claim_one(*args, **kwargs)

    monkeypatch.setattr(transitions, "claim_one", claim)
    with registered_action(write_in_chunk) as name:
        assert deliver(make_job(action=name)).status == Status.COMPLETED


def test_a_claim_whose_answer_was_lost_is_recognized_by_its_token(monkeypatch: pytest.MonkeyPatch):
    claim_one = transitions.claim_one

    def claim(*args: Any, **kwargs: Any) -> NoReturn:
        claim_one(*args, **kwargs)
        raise lost_connection()

    monkeypatch.setattr(transitions, "claim_one", claim)
    # In a transaction, the error would roll the claim back; the answer is lost after the commit.
    monkeypatch.setattr(engine_process, "single_statement", nullcontext)
    with registered_action(write_in_chunk) as name:
        job = deliver(make_job(action=name))

    assert (job.status, job.attempt, Ledger.objects.count()) == (Status.COMPLETED, 1, 1)


@contextmanager
def delivery_that_waits_for_its_row(job: Job) -> Iterator[InThread[Job]]:
    with somebody_holds(job):
        delivery = InThread(lambda: deliver(job))
        until(lambda: claims_that_wait() == 1, what="the claim to wait for the row")
        yield delivery


@postgresql_only
def test_a_claim_that_commits_after_its_connection_was_lost_is_recognized_by_the_next_try():
    connections: list[Any] = []

    def note_connection(context: JobContext) -> None:
        connections.append(connection.connection)
        write_in_chunk(context)

    with registered_action(note_connection, max_attempts=1) as name:
        deliver(make_job(action=name))
        job = make_job(action=name)
        with delivery_that_waits_for_its_row(job) as delivery:
            cut(connections[0])
            until(lambda: claims_that_wait() == 2, what="the next try to wait behind it")
        delivery.result()

    assert (job.status, job.attempt, job.crashes) == (Status.COMPLETED, 1, 0)


@postgresql_only
@pytest.mark.parametrize("why", ["the database is away", "the action is paused"])
def test_a_job_whose_claim_commits_after_the_delivery_gave_up_is_released(why: str, monkeypatch: pytest.MonkeyPatch):
    connections: list[Any] = []
    tries: list[int] = []
    release_all = ReleaseQueue.release_all
    monkeypatch.setattr(ReleaseQueue, "release_all", lambda self: (release_all(self), tries.append(len(self))))
    if why == "the database is away":
        monkeypatch.setattr(engine_process, "CLAIM_SECONDS", 0.0)
    with registered_action(lambda _: connections.append(connection.connection), max_attempts=1) as name:
        deliver(make_job(action=name))
        job = make_job(action=name)
        with delivery_that_waits_for_its_row(job) as delivery:
            if why == "the action is paused":
                pause_jobs(action=name, reason="Maintenance")
            cut(connections[0])
            delivery.result()
            before = len(tries)
            until(lambda: len(tries) > before + 2, what="searches for what the claim took")
            assert job.status == Status.SCHEDULED
        until(lambda: job.events.filter(what=JobEvent.What.RELEASED).exists(), what="the job to be released")

    job.refresh_from_db()
    assert (job.status, job.attempt, job.crashes, job.failures) == (Status.SCHEDULED, 1, 0, 0)


def test_while_the_database_is_away_a_delivery_gives_up_and_raises_nothing(monkeypatch: pytest.MonkeyPatch):
    def claim(*_: Any, **__: Any) -> NoReturn:
        raise lost_connection()

    monkeypatch.setattr(engine_process, "CLAIM_SECONDS", 0.2)
    monkeypatch.setattr(transitions, "claim_one", claim)

    assert deliver(make_job()).status == Status.SCHEDULED


def test_a_job_whose_outcome_cannot_be_written_is_released_and_the_process_works_on(monkeypatch: pytest.MonkeyPatch):
    def fail(*_: Any, **__: Any) -> None:
        raise lost_connection()

    with registered_action(write_in_chunk) as name:
        job = make_job(action=name)
        with monkeypatch.context() as patched:
            patched.setattr(runner, "run", fail)
            deliver(job)
            threads = run_threads()
        until(lambda: Job.objects.filter(pk=job.pk, status=Status.SCHEDULED).exists(), what="the job to be released")
        following = [deliver(make_job(action=name)) for _ in range(3)]

    assert [job.status for job in following] == [Status.COMPLETED] * 3
    assert Job.objects.get(pk=job.pk).crashes == 0
    assert run_threads() == threads != set()  # the thread, and with it its connection, is used again


def run_threads() -> set[int | None]:
    return {thread.ident for thread in threading.enumerate() if thread.name == "jobs-run"}


def claims_that_wait() -> int:
    """Count the connections that wait for a lock, also those whose client is gone."""
    sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return int(one_value(sql))


def cut(driver_connection: Any) -> None:
    """Break the connection of a thread; the server notices only when it answers."""
    with socket.socket(fileno=os.dup(driver_connection.fileno())) as end:
        end.shutdown(socket.SHUT_RDWR)
