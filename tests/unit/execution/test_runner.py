"""One attempt, from a begun job to its outcome: every end that an action can take."""

import re
from datetime import timedelta
from typing import Any, NoReturn

import pytest
from django.utils import timezone

from jobs import JobCancelled, JobContext, JobFailed
from jobs.exceptions import JobReleased, LeaseLost
from jobs.execution import runner
from jobs.execution.runner import Outcome
from jobs.models import Job, JobEvent
from jobs.status import Status
from tests.support.execution import (
    ANA,
    claim_again,
    count_final_events,
    last_event,
    lease_of,
    make_visits,
    run_attempt,
    write_as_another_process,
    write_in_chunk,
)
from tests.support.factories import LONG_AGO, WORKER, fence_of, make_running_job
from tests.support.hostapp.models import Ledger, Visit

pytestmark = pytest.mark.django_db

CANARY = "canary@example.com"


def do_nothing(job: JobContext) -> None:
    pass


def leak(job: JobContext) -> NoReturn:
    raise ValueError(f"Key (email)=({CANARY}) already exists.")


def test_an_action_that_returns_completes_its_job():
    ran, job = run_attempt(do_nothing)

    assert ran == runner.AttemptResult(outcome=Outcome.COMPLETED)
    assert (job.status, job.errors, job.lease_token) == (Status.COMPLETED, None, None)
    assert job.finished_at is not None
    assert (last_event(job).what, last_event(job).actor) == (JobEvent.What.COMPLETED, str(WORKER))


def test_only_a_job_that_verifies_says_when_it_was_verified():
    before = timezone.now() - timedelta(seconds=2)

    _, without = run_attempt(write_in_chunk)
    _, job = run_attempt(lambda context: context.erase("visits", Visit.objects.all()))

    assert "verified_at" not in without.receipt
    verified_at = timezone.datetime.fromisoformat(job.receipt["verified_at"])
    assert before < verified_at <= job.finished_at + timedelta(milliseconds=1)


@pytest.mark.parametrize("is_lost", [False, True])
def test_the_next_job_begins_in_the_commit_that_ends_this_one_unless_it_was_lost(is_lost: bool):
    following = make_running_job(begun_at=None)
    fence = fence_of(following)
    if is_lost:
        Job.objects.filter(pk=following.pk).update(lease_token="11111111-1111-4111-8111-111111111111")
    job = make_running_job()

    ran = runner.run(job, lease=lease_of(job), worker=WORKER, begin_next=lambda: fence)

    following.refresh_from_db()
    assert ran == runner.AttemptResult(outcome=Outcome.COMPLETED, next_begun=not is_lost)
    assert (following.begun_at is None) == is_lost


def test_an_action_that_raises_is_tried_again_after_its_backoff():
    ran, job = run_attempt(leak, backoff=timedelta(minutes=10))

    assert ran.outcome is Outcome.RETRYING
    assert (job.status, job.failures, job.crashes, job.worker) == (Status.SCHEDULED, 1, 0, None)
    assert timedelta(minutes=4.9) < job.due_at - job.updated_at < timedelta(minutes=10.1)
    assert job.start_at == LONG_AGO
    assert last_event(job).what == JobEvent.What.RETRYING


def test_the_backoff_doubles_with_each_failure_and_stays_below_an_hour():
    waits = []
    for failures in (1, 2, 20, 400):
        job = make_running_job(action="trial", failures=failures)
        _, job = run_attempt(leak, job, backoff=timedelta(minutes=1), max_attempts=1000)
        waits.append((job.due_at - job.updated_at) / timedelta(minutes=1))

    assert 1 - 0.01 <= waits[0] <= 2 + 0.01
    assert 2 - 0.01 <= waits[1] <= 4 + 0.01
    assert all(30 - 0.01 <= wait <= 60 + 0.01 for wait in waits[2:])


def test_after_the_last_attempt_the_job_fails_with_the_reference_that_is_logged(caplog: pytest.LogCaptureFixture):
    _, job = run_attempt(leak, max_attempts=2)

    ran, job = run_attempt(leak, claim_again(job), max_attempts=2)

    assert ran.outcome is Outcome.FAILED
    assert (job.status, job.failures, job.attempt) == (Status.FAILED, 2, 2)
    told = re.fullmatch(r"The job failed for an internal reason \((reference) ([0-9a-f]{8})\)\.", job.errors)
    assert told is not None
    assert "=".join(told.groups()) in caplog.text
    assert count_final_events(job) == 1


@pytest.mark.parametrize("max_attempts", [1, 3])
def test_an_exceptions_text_is_for_staff_alone(max_attempts: int, caplog: pytest.LogCaptureFixture):
    caplog.set_level("DEBUG")

    _, job = run_attempt(leak, max_attempts=max_attempts)

    event = last_event(job)
    assert CANARY in event.detail
    assert "Traceback" in event.detail
    assert CANARY not in f"{job.errors}{event.note}{job.receipt}{caplog.text}"


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        ("The invoice is not paid.", "The invoice is not paid."),
        ("nul \0.", "nul \N{REPLACEMENT CHARACTER}."),
        ("half \ud800.", "half ?."),
        ("", ""),
        ("é" * 1_000, "é" * 1_000),
        ("é" * 1_001, "é" * 999 + "…"),
    ],
)
def test_an_action_ends_its_job_at_once_in_words_that_every_database_can_store(said: str, stored: str):
    def refuse(context: JobContext) -> NoReturn:
        raise JobFailed(said)

    ran, job = run_attempt(refuse, max_attempts=5)

    assert ran.outcome is Outcome.FAILED
    assert (job.status, job.errors) == (Status.FAILED, stored)
    assert count_final_events(job) == 1


UNSTORABLE = ValueError("\0\ud800" + "x" * 100_000)


@pytest.mark.parametrize(
    "error", [SystemExit(3), SystemExit(), KeyboardInterrupt(), GeneratorExit(), MemoryError(), UNSTORABLE], ids=type
)
def test_an_error_that_ends_programs_or_that_no_database_could_hold_ends_its_attempt_only(error: BaseException):
    def end(context: JobContext) -> NoReturn:
        raise error

    ran, job = run_attempt(end)

    assert ran.outcome is Outcome.RETRYING
    assert (job.status, job.failures) == (Status.SCHEDULED, 1)
    detail = last_event(job).detail
    assert len(detail) == 20_000 if error is UNSTORABLE else len(detail) < 20_000


@pytest.mark.parametrize("stop", [JobCancelled, JobReleased, LeaseLost])
def test_an_action_that_raises_a_stop_of_its_own_does_not_leave_the_job_running(stop: Any):
    def pretend(context: JobContext) -> NoReturn:
        raise stop(context.id)

    _, job = run_attempt(pretend)

    assert (job.status, job.lease_token) == (Status.SCHEDULED, None)


def test_a_job_whose_action_is_gone_waits_for_a_worker_that_knows_it_and_then_fails():
    job = make_running_job(action="was_removed")

    for _ in range(3):
        runner.run(job, lease=lease_of(job), worker=WORKER)
        job.refresh_from_db()
        if job.status == Status.SCHEDULED:
            job = claim_again(job)

    assert (job.status, job.failures) == (Status.FAILED, 3)
    assert job.errors == "No action called was_removed is known to the worker."


def test_an_attempt_past_its_deadline_is_taken_from_its_action():
    job = make_running_job(action="touch")

    ran = runner.lose_attempt(job, lease=lease_of(job), worker=WORKER)

    job.refresh_from_db()
    assert ran.outcome is Outcome.RETRYING
    assert (job.status, job.failures, job.crashes) == (Status.SCHEDULED, 1, 0)
    assert last_event(job).note == "The job made no progress for 600 seconds."


def test_an_action_that_comes_back_after_its_deadline_changes_nothing():
    job = make_running_job(action="trial")
    lease = lease_of(job)

    def come_back_late(context: JobContext) -> None:
        lease.given_up.set()
        write_as_another_process(context, lambda: runner.lose_attempt(job, lease=lease, worker=WORKER))
        write_in_chunk(context)

    ran, job = run_attempt(come_back_late, job, lease)

    assert ran.outcome is Outcome.LOST
    assert (job.status, job.failures) == (Status.SCHEDULED, 1)
    assert not Ledger.objects.exists()


def run_while_rows_come(rounds: int, **options: Any) -> tuple[runner.AttemptResult, Job, int]:
    """Run an attempt that erases 3 visits while 2 more come after each of ``rounds`` passes; count the passes."""
    passes = []

    def erase_then_add(context: JobContext) -> None:
        passes.append(1)
        context.erase("visits", Visit.objects.all())
        if len(passes) <= rounds:
            write_as_another_process(context, lambda: make_visits(ANA, 2))

    make_visits(ANA, 3)
    return *run_attempt(erase_then_add, **options), len(passes)


@pytest.mark.parametrize("rounds", [1, 4])
def test_rows_that_come_while_it_runs_are_erased_in_another_pass(rounds: int):
    ran, job, passes = run_while_rows_come(rounds)

    count = 3 + 2 * rounds
    assert (ran.outcome, passes, count_final_events(job)) == (Outcome.COMPLETED, rounds + 1, 1)
    assert job.receipt["stores"]["visits"] == {"found": count, "done": count, "left": 0}


def test_rows_that_keep_coming_end_the_attempt_after_five_passes():
    ran, job, passes = run_while_rows_come(rounds=100, max_attempts=1)

    assert (ran.outcome, passes) == (Outcome.FAILED, 5)
    assert job.errors == "There are still rows in visits: others add them, or they cannot be deleted."
    assert "verified_at" not in job.receipt
