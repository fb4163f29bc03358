"""Recording an outcome when the database is away, slow, read-only or full, or somebody else was first."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn
from unittest.mock import Mock

import pytest
from django.db import DatabaseError, OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper

from jobs import JobContext, cancel_job
from jobs.execution import outcomes, runner
from jobs.execution.runner import Outcome
from jobs.models import Job, JobEvent
from jobs.status import Status
from tests.support.concurrency import InThread, lost_connection, other_connection, postgresql_only
from tests.support.execution import (
    ANA,
    Handler,
    count_final_events,
    last_event,
    lease_of,
    make_visits,
    refuse,
    run_attempt,
    stop,
    stumble,
    write_in_chunk,
)
from tests.support.factories import WORKER, fence_of, make_running_job
from tests.support.hostapp.models import Ledger, Visit

on_own_connections = pytest.mark.django_db(transaction=True)


def erase(context: JobContext) -> None:
    context.erase("visits", Visit.objects.all())


ENDS = {
    "complete": (write_in_chunk, Outcome.COMPLETED, Status.COMPLETED),
    "complete, verified": (erase, Outcome.COMPLETED, Status.COMPLETED),
    "fail": (refuse, Outcome.FAILED, Status.FAILED),
    "retry later": (stumble, Outcome.RETRYING, Status.SCHEDULED),
    "release": (stop, Outcome.RELEASED, Status.SCHEDULED),
}
each_end = pytest.mark.parametrize(("action", "outcome", "status"), ENDS.values(), ids=ENDS.keys())


@on_own_connections
@pytest.mark.parametrize(
    ("before", "after"),
    [*((work, None) for work in (write_in_chunk, erase)), *((None, end) for end in (refuse, stumble, stop))],
    ids=["plain", "verified", "fail", "retry later", "release"],
)
def test_a_cancel_after_the_last_chunk_wins_over_the_finish(before: Handler | None, after: Handler | None):
    make_visits(ANA, 3)

    def be_cancelled(context: JobContext) -> None:
        if before:
            before(context)
        InThread(lambda: cancel_job(context.id, project=context.project)).result()
        if after:
            after(context)

    ran, job = run_attempt(be_cancelled)

    assert ran.outcome is Outcome.CANCELLED
    assert (job.status, job.failures) == (Status.CANCELLED, 0)
    assert count_final_events(job) == 1
    assert "verified_at" not in job.receipt


@on_own_connections
def test_a_finish_after_the_lease_passed_on_changes_nothing():
    def be_replaced(context: JobContext) -> None:
        token = "11111111-1111-4111-8111-111111111111"
        InThread(lambda: Job.objects.filter(pk=context.id).update(lease_token=token, attempt=2)).result()

    ran, job = run_attempt(be_replaced)

    assert ran.outcome is Outcome.LOST
    assert (job.status, job.attempt) == (Status.RUNNING, 2)
    assert not job.events.exists()


@on_own_connections
@postgresql_only
@each_end
def test_a_finish_that_meets_a_cut_connection_is_made_on_a_new_one(
    action: Callable[[JobContext], None], outcome: Outcome, status: Status
):
    def be_cut_off(context: JobContext) -> None:
        if outcome in (Outcome.COMPLETED, Outcome.RELEASED):
            context._lease.stopping.clear()
            (erase if action is erase else write_in_chunk)(context)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (pid,) = cursor.fetchone()
        with other_connection() as other, other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
        if action not in (erase, write_in_chunk):
            action(context)

    ran, job = run_attempt(be_cut_off)

    assert (ran.outcome, job.status) == (outcome, status)


@pytest.fixture
def replies_lost(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the reply to the first COMMIT of an outcome be lost: it holds, and nobody is told."""
    lost: list[str] = []

    def losing(owner: Any, name: str) -> Callable[..., Any]:
        real = getattr(owner, name)

        @contextmanager
        def once(**how: Any) -> Iterator[BaseDatabaseWrapper]:
            with real(**how) as home:
                yield home
            if not lost:
                lost.append(name)
                raise lost_connection()

        return once

    for owner, name in ((outcomes, "single_statement"), (runner, "single_statement"), (runner, "limited_transaction")):
        monkeypatch.setattr(owner, name, losing(owner, name))
    return lost


@on_own_connections
@each_end
def test_an_outcome_whose_commit_was_not_answered_is_recognised_as_ours(
    replies_lost: list[str], action: Callable[[JobContext], None], outcome: Outcome, status: Status
):
    ran, job = run_attempt(action)

    assert replies_lost
    assert (ran.outcome, job.status) == (outcome, status)
    assert job.events.count() == 1
    assert job.failures == (outcome in (Outcome.FAILED, Outcome.RETRYING))


@on_own_connections
def test_the_next_job_is_begun_once_when_the_reply_was_lost(replies_lost: list[str]):
    following, job = make_running_job(begun_at=None), make_running_job()
    begin_next = Mock(return_value=fence_of(following))

    ran = runner.run(job, lease=lease_of(job), worker=WORKER, begin_next=begin_next)

    assert ran.outcome is Outcome.COMPLETED
    assert begin_next.call_count == 2


def with_sqlstate(state: str) -> DatabaseError:
    error = DatabaseError(state)
    error.__cause__ = Exception(state)
    error.__cause__.sqlstate = state  # type: ignore[attr-defined]
    return error


CONFLICTS = ["40001", "40P01", "55P03"]
OUTAGES = ["08006", "57P01", "53300", "25P03"]
MISTAKES = ["23505", "42601", "57014", "22P02"]


def run_into(state: str, *, interruptions: int = 0) -> Job:
    """Run an attempt whose action raises an error with this SQLSTATE; return the row afterwards."""
    be_unlucky = Mock(side_effect=with_sqlstate(state))
    return run_attempt(be_unlucky, make_running_job(action="trial", interruptions_in_a_row=interruptions))[1]


@pytest.mark.django_db
@pytest.mark.parametrize("state", [*CONFLICTS, *OUTAGES])
def test_an_attempt_that_met_a_conflict_or_an_outage_is_released(state: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(runner, "is_connection_lost", lambda before: True)

    job = run_into(state)

    assert (job.status, job.failures, job.crashes) == (Status.SCHEDULED, 0, 0)
    assert job.due_at > job.updated_at
    assert last_event(job).what == JobEvent.What.RELEASED


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("state", "interruptions"),
    [*((state, 0) for state in MISTAKES), *((state, 0) for state in OUTAGES[:3]), ("40P01", 9)],
)
def test_mistakes_outages_of_other_databases_and_too_many_conflicts_count_as_failures(state: str, interruptions: int):
    job = run_into(state, interruptions=interruptions)

    assert (job.status, job.failures) == (Status.SCHEDULED, 1)
    assert last_event(job).what == JobEvent.What.RETRYING


@pytest.mark.django_db
def test_an_integrity_error_that_is_swallowed_in_a_chunk_fails_the_chunk():
    def be_careless(context: JobContext) -> None:
        with context.chunk() as chunk:
            line = Ledger.objects.create(job_id=context.id)
            chunk.add("lines", 1)
            with suppress(DatabaseError):
                Ledger.objects.create(pk=line.pk, job_id=context.id)

    ran, job = run_attempt(be_careless)

    assert ran.outcome is Outcome.RETRYING
    assert not Ledger.objects.exists()
    assert job.progress_done == 0


def meet_a_database_that_takes_no_writes(context: JobContext) -> None:
    is_sqlite = connection.vendor == "sqlite"
    try:
        with context.chunk(), connection.cursor() as cursor:
            cursor.execute("PRAGMA query_only = 1" if is_sqlite else "SET TRANSACTION READ ONLY")
            cursor.execute("UPDATE jobs_job SET reference_id = 'never'")
    finally:
        if is_sqlite:
            connection.connection.execute("PRAGMA query_only = 0")


@on_own_connections
@pytest.mark.parametrize(
    ("interruptions", "outcome", "failures"),
    [(0, Outcome.RELEASED, 0), (9, Outcome.RETRYING, 1)],
    ids=["once", "always"],
)
def test_an_attempt_that_meets_a_read_only_database_is_released_and_counts_nothing_but_not_for_ever(
    interruptions: int, outcome: Outcome, failures: int
):
    job = make_running_job(action="trial", interruptions_in_a_row=interruptions)

    ran, job = run_attempt(meet_a_database_that_takes_no_writes, job)

    assert ran.outcome is outcome
    assert (job.status, job.failures, job.crashes) == (Status.SCHEDULED, failures, 0)


def lose_the_connection(context: JobContext) -> NoReturn:
    connection.close()
    raise lost_connection()


@pytest.fixture
def _no_outcome_can_be_written(monkeypatch: pytest.MonkeyPatch, settings: Any):
    settings.JOBS = {"BEAT_SECONDS": 0.1, "LEASE_SECONDS": 0.4}
    for outcome in ("complete", "fail", "retry_later", "release", "interrupt"):
        monkeypatch.setattr(runner.transitions, outcome, Mock(side_effect=lost_connection()))


@on_own_connections
@pytest.mark.usefixtures("_no_outcome_can_be_written")
@pytest.mark.parametrize("end", [write_in_chunk, refuse, stumble, lose_the_connection, stop])
def test_however_an_attempt_ends_an_outcome_that_cannot_be_written_for_a_whole_lease_is_left_to_the_rescuer(
    end: Callable[[JobContext], None],
):
    job = make_running_job(action="trial")

    with pytest.raises(OperationalError):
        run_attempt(end, job)

    assert Job.objects.get(pk=job.pk).status == Status.RUNNING


@on_own_connections
@pytest.mark.usefixtures("_no_outcome_can_be_written")
def test_so_it_is_where_no_action_ran():
    unknown, overdue = make_running_job(action="gone"), make_running_job()

    with pytest.raises(OperationalError):
        runner.run(unknown, lease=lease_of(unknown), worker=WORKER)
    with pytest.raises(OperationalError):
        runner.lose_attempt(overdue, lease=lease_of(overdue), worker=WORKER)
