"""A process of another engine and its connections: kept while they work, replaced when they do not."""

import os
import socket
from typing import Any, NoReturn

import pytest
from django.db import OperationalError, connection

from jobs import JobContext
from jobs.engines import engine_process
from jobs.execution import runner
from jobs.lifecycle import transitions
from jobs.models import Job, JobEvent
from jobs.processes.releases import ReleaseQueue
from jobs.services.commands.pauses import pause_jobs
from jobs.status import Status
from tests.integration.engines.test_engine_process import run
from tests.support.concurrency import InThread, one_value, postgresql_only, somebody_holds, until
from tests.support.execution import registered_action, write_in_chunk
from tests.support.factories import make_job
from tests.support.hostapp.models import Ledger

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_engine_process")]


def test_jobs_keep_their_connection_whatever_the_engine_closes_between_them():
    seen: list[Any] = []

    def look(_: JobContext) -> None:
        seen.append(connection.connection)

    with registered_action(look) as name:
        for _ in range(3):
            run(make_job(action=name))

    assert seen[0] is not None
    assert seen[0] is seen[1] is seen[2]


def test_a_connection_that_the_server_has_closed_is_replaced(monkeypatch: pytest.MonkeyPatch):
    claim_one, failures = transitions.claim_one, [1]

    def claim(*args: Any, **kwargs: Any) -> Job | None:
        if failures:
            failures.pop()
            raise lost_connection()
        return claim_one(*args, **kwargs)

    monkeypatch.setattr(transitions, "claim_one", claim)
    with registered_action(write_in_chunk) as name:
        assert run(make_job(action=name)).status == Status.COMPLETED


def test_a_claim_whose_answer_was_lost_is_known_by_its_token(monkeypatch: pytest.MonkeyPatch):
    claim_one = transitions.claim_one

    def claim(*args: Any, **kwargs: Any) -> NoReturn:
        claim_one(*args, **kwargs)
        raise lost_connection()

    monkeypatch.setattr(transitions, "claim_one", claim)
    # Where the claim stands in a transaction it is rolled back with the error; the lost answer comes after the commit.
    monkeypatch.setattr(engine_process, "engine_statement", engine_that_commits_before_errors)
    with registered_action(write_in_chunk) as name:
        job = run(make_job(action=name))

    assert (job.status, job.attempt, Ledger.objects.count()) == (Status.COMPLETED, 1, 1)


@postgresql_only
def test_a_claim_that_commits_after_its_connection_was_lost_is_known_by_the_next_try():
    connections: list[Any] = []

    def note_connection(context: JobContext) -> None:
        connections.append(connection.connection)
        write_in_chunk(context)

    with registered_action(note_connection, max_attempts=1) as name:
        run(make_job(action=name))
        job = make_job(action=name)
        with somebody_holds(job):
            call = InThread(lambda: run(job))
            until(lambda: claims_that_wait() == 1, what="the claim to wait for the row")
            cut(connections[0])
            until(lambda: claims_that_wait() == 2, what="the next try to wait behind it")
        call.result()

    assert (job.status, job.attempt, job.crashes) == (Status.COMPLETED, 1, 0)


@postgresql_only
@pytest.mark.parametrize("why", ["the database is away", "the action is paused"])
def test_a_claim_that_commits_when_its_call_has_given_up_is_handed_back(why: str, monkeypatch: pytest.MonkeyPatch):
    connections: list[Any] = []
    looks: list[int] = []
    release_all = ReleaseQueue.release_all

    def count_looks(self: ReleaseQueue) -> None:
        release_all(self)
        looks.append(len(self))

    monkeypatch.setattr(ReleaseQueue, "release_all", count_looks)
    monkeypatch.setattr(
        engine_process, "CLAIM_SECONDS", 0.0 if why == "the database is away" else engine_process.CLAIM_SECONDS
    )
    with registered_action(lambda _: connections.append(connection.connection), max_attempts=1) as name:
        run(make_job(action=name))
        job = make_job(action=name)
        with somebody_holds(job):
            call = InThread(lambda: run(job))
            until(lambda: claims_that_wait() == 1, what="the claim to wait for the row")
            if why == "the action is paused":
                pause_jobs(action=name, reason="Look first")
            cut(connections[0])
            call.result()
            before = len(looks)
            until(lambda: len(looks) > before + 2, what="looks for what the claim took")
            assert job.status == Status.SCHEDULED
        until(lambda: job.events.filter(what=JobEvent.What.RELEASED).exists(), what="the job to be handed back")

    job.refresh_from_db()
    assert (job.status, job.attempt, job.crashes, job.failures) == (Status.SCHEDULED, 1, 0, 0)


def test_while_the_database_is_away_a_call_gives_up_and_raises_nothing(monkeypatch: pytest.MonkeyPatch):
    def claim(*_: Any, **__: Any) -> NoReturn:
        raise lost_connection()

    monkeypatch.setattr(engine_process, "CLAIM_SECONDS", 0.2)
    monkeypatch.setattr(transitions, "claim_one", claim)

    assert run(make_job()).status == Status.SCHEDULED


def test_an_outcome_that_cannot_be_written_is_given_back_and_the_process_works_on(monkeypatch: pytest.MonkeyPatch):
    def fail(*_: Any, **__: Any) -> None:
        raise lost_connection()

    with registered_action(write_in_chunk) as name:
        job = make_job(action=name)
        with monkeypatch.context() as patched:
            patched.setattr(runner, "run", fail)
            run(job)
        until(lambda: Job.objects.filter(pk=job.pk, status=Status.SCHEDULED).exists(), what="the job to be given back")
        others = [run(make_job(action=name)) for _ in range(3)]

    assert [other.status for other in others] == [Status.COMPLETED] * 3
    assert Job.objects.get(pk=job.pk).crashes == 0


def claims_that_wait() -> int:
    """Return how many connections wait for a lock, also those whose client is gone."""
    sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return int(one_value(sql))


def cut(driver_connection: Any) -> None:
    """Break the line between a thread's connection and the server, which does not look before it answers."""
    with socket.socket(fileno=os.dup(driver_connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


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
