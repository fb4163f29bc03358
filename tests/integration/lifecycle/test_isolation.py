"""An action that leaves a transaction open: what follows on the connection would be said to be committed, untruly."""

import pytest
from django.db import connection, transaction

from jobs import JobContext
from jobs.execution.runner import Outcome
from jobs.status import Status
from tests.support.concurrency import execute
from tests.support.execution import run_attempt

pytestmark = pytest.mark.django_db(transaction=True)


def turn_autocommit_off(context: JobContext) -> None:
    transaction.set_autocommit(False)


def begin_by_hand(context: JobContext) -> None:
    execute("BEGIN")


def enter_and_not_leave(context: JobContext) -> None:
    transaction.atomic().__enter__()


@pytest.mark.parametrize("leave_open", [turn_autocommit_off, begin_by_hand, enter_and_not_leave])
def test_the_attempt_fails_and_the_next_one_on_this_thread_is_true(leave_open):
    ran, job = run_attempt(leave_open)
    following, next_job = run_attempt(lambda context: None)

    assert (ran.outcome, job.status, job.failures) == (Outcome.RETRYING, Status.SCHEDULED, 1)
    assert "left open" in job.events.last().detail
    assert (following.outcome, next_job.status) == (Outcome.COMPLETED, Status.COMPLETED)
    assert connection.get_autocommit()


def test_an_action_s_own_error_is_the_one_that_is_told():
    def leave_open_and_stumble(context: JobContext) -> None:
        turn_autocommit_off(context)
        raise LookupError("my own")

    ran, job = run_attempt(leave_open_and_stumble)

    assert ran.outcome is Outcome.RETRYING
    assert "LookupError: my own" in job.events.last().detail
    assert connection.get_autocommit()
