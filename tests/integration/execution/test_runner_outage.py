"""Attempts that meet a database which is away, read-only or full: nothing is counted, only its error is told."""

from collections.abc import Callable
from typing import Any, NoReturn
from unittest.mock import Mock

import pytest
from django.db import OperationalError, connection

from jobs import JobContext
from jobs.execution import runner
from jobs.execution.runner import Outcome
from jobs.models import Job
from jobs.status import Status
from tests.support.concurrency import lost_connection
from tests.support.execution import lease_of, no_next_job, refuse, run_attempt, stop, stumble, write_in_chunk
from tests.support.factories import WORKER, make_running_job

pytestmark = pytest.mark.django_db(transaction=True)


def meet_a_database_that_takes_no_writes(context: JobContext) -> None:
    is_sqlite = connection.vendor == "sqlite"
    try:
        with context.chunk(), connection.cursor() as cursor:
            cursor.execute("PRAGMA query_only = 1" if is_sqlite else "SET TRANSACTION READ ONLY")
            cursor.execute("UPDATE jobs_job SET reference_id = 'never'")
    finally:
        if is_sqlite:
            connection.connection.execute("PRAGMA query_only = 0")


def test_an_attempt_that_meets_a_read_only_database_is_released_and_counts_nothing():
    ran, job = run_attempt(meet_a_database_that_takes_no_writes)

    assert ran.outcome is Outcome.RELEASED
    assert (job.status, job.failures, job.crashes) == (Status.SCHEDULED, 0, 0)


def test_a_job_that_always_fills_the_disk_is_not_forgiven_for_ever():
    job = make_running_job(action="trial", attempt=11)

    ran, job = run_attempt(meet_a_database_that_takes_no_writes, job)

    assert ran.outcome is Outcome.RETRYING
    assert job.failures == 1


def lose_the_connection(context: JobContext) -> NoReturn:
    connection.close()
    raise lost_connection()


@pytest.fixture
def _no_outcome_can_be_written(monkeypatch: pytest.MonkeyPatch, settings: Any):
    settings.JOBS = {"BEAT_SECONDS": 0.1, "LEASE_SECONDS": 0.4}
    for outcome in ("complete", "fail", "retry_later", "release"):
        monkeypatch.setattr(runner.transitions, outcome, Mock(side_effect=lost_connection()))


@pytest.mark.usefixtures("_no_outcome_can_be_written")
@pytest.mark.parametrize("end", [write_in_chunk, refuse, stumble, lose_the_connection, stop])
def test_however_an_attempt_ends_an_outcome_that_cannot_be_written_for_a_whole_lease_is_left_to_the_rescuer(
    end: Callable[[JobContext], None],
):
    job = make_running_job(action="trial")

    with pytest.raises(OperationalError):
        run_attempt(end, job)

    assert Job.objects.get(pk=job.pk).status == Status.RUNNING


@pytest.mark.usefixtures("_no_outcome_can_be_written")
def test_so_it_is_where_no_action_ran():
    unknown, overdue = make_running_job(action="gone"), make_running_job()

    with pytest.raises(OperationalError):
        runner.run(unknown, lease=lease_of(unknown), worker=WORKER, then=no_next_job)
    with pytest.raises(OperationalError):
        runner.lose_attempt(overdue, lease=lease_of(overdue), worker=WORKER)
