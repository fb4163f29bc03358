"""An attempt that is interrupted though the database answers counts, waits longer each time, and in the end fails."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections

from jobs import JobContext
from jobs.db.connection import outermost_transaction
from jobs.execution import outcomes, runner
from jobs.execution.outcomes import Outcome
from jobs.models import Job
from jobs.status import Status
from tests.support.concurrency import InThread, lost_connection, postgresql_only
from tests.support.execution import claim_again, last_event, lease_of, registered_action, run_attempt, write_in_chunk
from tests.support.factories import WORKER, make_running_job
from tests.support.hostapp.models import Visit

pytestmark = pytest.mark.django_db(transaction=True)


def counters_of(job: Job) -> tuple[Any, ...]:
    """Read the row as it is: status, attempt, failures, crashes, and both counts of interruptions."""
    columns = "status, attempt, failures, crashes, interruptions, interruptions_in_a_row"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM jobs_job WHERE id = %s", [job.pk])
        row: tuple[Any, ...] = cursor.fetchone()
    return row


def execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def idle_in_a_chunk(job: JobContext) -> None:
    with job.chunk():
        execute("SET LOCAL idle_in_transaction_session_timeout = 50")
        execute("SELECT 1")
        InThread(lambda: execute("SELECT pg_sleep(0.3)")).result()
        execute("SELECT 1")


def kill_the_backend(job: JobContext) -> None:
    execute("SELECT pg_terminate_backend(pg_backend_pid())")


def kill_the_backend_in_a_chunk(job: JobContext) -> None:
    with job.chunk():
        kill_the_backend(job)


def announce_then_kill_the_backend(job: JobContext) -> None:
    job.expect(3)
    kill_the_backend(job)


def meet_a_conflict(job: JobContext) -> None:
    with job.chunk():
        execute("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$")


INTERRUPTED = {
    "idle": idle_in_a_chunk,
    "kill": kill_the_backend,
    "kill in a chunk": kill_the_backend_in_a_chunk,
    "announce, then kill": announce_then_kill_the_backend,
    "conflict": meet_a_conflict,
}


@postgresql_only
@pytest.mark.parametrize("handler", INTERRUPTED.values(), ids=INTERRUPTED.keys())
def test_an_attempt_that_is_interrupted_though_the_database_answers_counts_and_waits(
    handler: Callable[[JobContext], None],
):
    ran, job = run_attempt(handler)

    assert ran.outcome is Outcome.RELEASED
    assert counters_of(job) == ("scheduled", 1, 0, 0, 1, 1)
    assert timedelta(seconds=5) <= job.due_at - job.updated_at
    assert "Traceback" in last_event(job).detail


def test_an_action_that_closes_its_connection_in_a_chunk_is_counted_in_one_way_or_the_other():
    def close(job: JobContext) -> None:
        with job.chunk():
            connection.close()
            execute("SELECT 1")

    _, job = run_attempt(close)

    status, attempt, failures, crashes, interruptions, _ = counters_of(job)
    assert (status, attempt, failures + interruptions, crashes) == ("scheduled", 1, 1, 0)


@postgresql_only
def test_the_tenth_interruption_in_a_row_costs_a_failure_with_the_reason():
    job = make_running_job(action="trial", interruptions=9, interruptions_in_a_row=9)

    ran, job = run_attempt(kill_the_backend, job)

    assert ran.outcome is Outcome.RETRYING
    assert counters_of(job) == ("scheduled", 1, 1, 0, 9, 0)
    assert last_event(job).note == (
        "The action's connection to the database was lost, although the database answers (AdminShutdown). "
        "That was interruption 10, 10 in a row without a chunk."
    )


@postgresql_only
def test_a_job_that_goes_round_ends_as_failed_and_says_why():
    job = make_running_job(action="trial")
    with registered_action(kill_the_backend, max_attempts=2):
        for _ in range(50):
            runner.run(job, lease=lease_of(job), worker=WORKER)
            job.refresh_from_db()
            if job.status == Status.FAILED:
                break
            job = begin_again(job)

    assert counters_of(job) == ("failed", 20, 2, 0, 18, 9)
    assert job.errors.startswith("The action's connection to the database was lost, although the database answers (")


@postgresql_only
def test_a_chunk_that_is_committed_in_each_attempt_does_not_keep_a_job_going_round_for_ever():
    def write_then_kill(context: JobContext) -> None:
        write_in_chunk(context)
        kill_the_backend(context)

    job = make_running_job(action="trial", interruptions=99, interruptions_in_a_row=9)
    with registered_action(write_then_kill):
        runner.run(job, lease=lease_of(job), worker=WORKER)
        first = counters_of(job)
        runner.run(begin_again(job), lease=lease_of(job), worker=WORKER)

    assert first == ("scheduled", 1, 0, 0, 100, 1)
    assert counters_of(job) == ("scheduled", 2, 1, 0, 100, 0)


@postgresql_only
def test_the_wait_grows_with_each_interruption_up_to_ten_minutes():
    waits = []
    for before in (0, 2, 5, 8):
        _, job = run_attempt(kill_the_backend, make_running_job(action="trial", interruptions_in_a_row=before))
        waits.append((job.due_at - job.updated_at).total_seconds())

    assert 5 <= waits[0] < 11
    assert 20 <= waits[1] < 41
    assert 160 <= waits[2] < 321
    assert 300 <= waits[3] < 601


@postgresql_only
def test_an_outage_counts_nothing_however_often(monkeypatch: pytest.MonkeyPatch):
    away, backend = [lost_connection()], type(connections["default"])
    connect: Any = backend.connect

    def refuse_once(self: Any) -> None:
        if away:
            raise away.pop()
        connect(self)

    job = make_running_job(action="trial", interruptions=9, interruptions_in_a_row=9)

    def lose_the_database(context: JobContext) -> None:
        monkeypatch.setattr(backend, "connect", refuse_once)
        kill_the_backend(context)

    ran, job = run_attempt(lose_the_database, job)

    assert ran.outcome is Outcome.RELEASED
    assert counters_of(job) == ("scheduled", 1, 0, 0, 9, 9)
    assert last_event(job).note == outcomes.NO_DATABASE


@postgresql_only
def test_an_interruption_whose_commit_was_not_answered_counts_once(monkeypatch: pytest.MonkeyPatch):
    single_statement, lost = outcomes.single_statement, [lost_connection()]

    @contextmanager
    def not_answered() -> Iterator[None]:
        with single_statement():
            yield
        if lost:
            raise lost.pop()

    monkeypatch.setattr(outcomes, "single_statement", not_answered)
    ran, job = run_attempt(kill_the_backend)

    assert ran.outcome is Outcome.RELEASED
    assert counters_of(job) == ("scheduled", 1, 0, 0, 1, 1)


def test_a_chunk_ends_a_row_of_interruptions_and_an_announcement_does_not():
    seen = []

    def work(context: JobContext) -> None:
        context.expect(2)
        seen.append(counters_of(job)[-1])
        write_in_chunk(context)
        seen.append(counters_of(job)[-1])

    job = make_running_job(action="trial", interruptions=4, interruptions_in_a_row=4)
    run_attempt(work, job)

    assert seen == [4, 0]
    assert counters_of(job) == ("completed", 1, 0, 0, 4, 0)


def test_a_query_to_verify_that_fails_each_time_costs_failures():
    ran, job = run_attempt(lambda context: context.verify("visits", Visit.objects.extra(where=["nonsense = 1"])))

    assert ran.outcome is Outcome.RETRYING
    assert counters_of(job) == ("scheduled", 1, 1, 0, 0, 0)
    assert "nonsense" in last_event(job).detail


def begin_again(job: Job) -> Job:
    with outermost_transaction():
        return claim_again(job)
