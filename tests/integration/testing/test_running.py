"""``run_due_jobs`` in a test's own transaction."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from jobs import JobContext, JobFailed, schedule_job
from jobs.models import Job
from jobs.services.commands.pauses import pause_jobs
from jobs.services.tenants.projects import disable_organization
from jobs.status import Status
from jobs.testing import make_job, make_project, run_due_jobs
from tests.support.execution import refuse, registered_action, stumble, write_in_chunk
from tests.support.hostapp.models import Ledger, Visit

pytestmark = pytest.mark.django_db


def run_one(handler: Callable[[JobContext], Any], **options: Any) -> Job:
    """Run a job of an action with ``handler``; return the job as it is then."""
    with registered_action(handler, **options) as name:
        make_job(name)
        (ran,) = run_due_jobs()
    return ran


def test_an_action_erases_within_the_test_s_transaction():
    def erase(job: JobContext) -> None:
        job.erase("visits", Visit.objects.filter(owner=job.reference_id))

    Visit.objects.bulk_create([Visit(owner="ana"), Visit(owner="ana"), Visit(owner="ben")])
    with registered_action(erase) as name:
        job = make_job(name, reference_id="ana")
        (ran,) = run_due_jobs()

    assert connection.in_atomic_block
    assert ran == job
    assert (ran.status, ran.errors, ran.attempt) == (Status.COMPLETED, None, 1)
    assert ran.receipt["stores"]["visits"] == {"found": 2, "done": 2, "left": 0}
    assert [event.what for event in ran.events.all()] == ["scheduled", "claimed", "completed"]
    assert list(Visit.objects.values_list("owner", flat=True)) == ["ben"]


def test_jobs_run_in_their_order_and_so_do_those_that_they_schedule():
    order: list[str] = []

    def note(job: JobContext) -> None:
        order.append(job.reference_id)

    with registered_action(note, name="second"), registered_action(lambda job: note(job) or chain(job), name="first"):

        def chain(job: JobContext) -> None:
            with job.chunk():
                schedule_job("second", project=job.project, reference_id=f"{job.reference_id}'s")

        make_job("first", reference_id="a")
        make_job("first", reference_id="b")
        ran = run_due_jobs()

    assert order == ["a", "b", "a's", "b's"]
    assert [job.reference_id for job in ran] == order


def test_what_is_not_due_waits_unless_the_test_says_what_time_it_is():
    with registered_action(lambda job: None, start="next_midnight") as name:
        job = schedule_job(name, project=make_project(), reference_id="x")
        now = run_due_jobs()
        by_then = run_due_jobs(at=timezone.now() + timedelta(days=2))

    assert now == []
    assert by_then == [job]
    assert by_then[0].status == Status.COMPLETED


def test_a_failing_action_is_retried_only_when_that_is_due():
    with registered_action(stumble, max_attempts=2, backoff=timedelta(minutes=1)) as name:
        make_job(name)
        (waiting,) = run_due_jobs()
        (failed,) = run_due_jobs(at=timezone.now() + timedelta(hours=1))

    assert (waiting.status, waiting.failures) == (Status.SCHEDULED, 1)
    assert (failed.status, failed.failures) == (Status.FAILED, 2)
    assert "ValueError" in failed.events.last().detail


def test_a_failure_with_words_is_told_as_it_is():
    ran = run_one(refuse)

    assert (ran.status, ran.errors) == (Status.FAILED, "No.")


def test_what_a_failing_chunk_wrote_is_not_kept():
    def break_off(job: JobContext) -> None:
        write_in_chunk(job)
        with job.chunk():
            Ledger.objects.create(job_id=job.id)
            raise JobFailed("Stop.")

    run_one(break_off)

    assert Ledger.objects.count() == 1


def test_writes_outside_a_chunk_are_refused_as_a_worker_refuses_them():
    ran = run_one(lambda job: Ledger.objects.create(job_id=job.id))

    assert "WriteOutsideChunk" in ran.events.last().detail
    assert not Ledger.objects.exists()


def test_a_statement_that_fails_outside_a_chunk_costs_this_job_only():
    def mistake(job: JobContext) -> None:
        write_in_chunk(job)
        Visit.objects.extra(where=["no_such_column = 1"]).count()

    with registered_action(mistake, max_attempts=1) as name, registered_action(write_in_chunk, name="well"):
        make_job(name)
        make_job("well")
        first, second = run_due_jobs()

    assert (first.status, second.status) == (Status.FAILED, Status.COMPLETED)
    assert "no_such_column" in first.events.last().detail
    assert Ledger.objects.count() == 2


def test_paused_jobs_and_those_of_disabled_organizations_are_left_alone():
    disabled, paused, free = make_project(), make_project(), make_project()
    with registered_action(lambda job: None) as name:
        for project in (disabled, paused, free):
            make_job(name, project=project)
        disable_organization(disabled.organization.name)
        pause_jobs(project=paused, reason="migration")
        (ran,) = run_due_jobs()
        pause_jobs(reason="everything")
        make_job(name, project=free)
        assert run_due_jobs() == []

    assert ran.project == free


def test_within_a_transaction_of_the_host_s_own_it_refuses():
    with registered_action(lambda job: None) as name:
        make_job(name)
        with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
            run_due_jobs()

    assert Job.objects.get().status == Status.SCHEDULED


@pytest.mark.django_db(transaction=True)
def test_it_also_works_where_tests_commit():
    ran = run_one(write_in_chunk)

    assert ran.status == Status.COMPLETED
    assert Ledger.objects.get().job_id == ran.pk


def test_a_job_is_due_at_once_unless_told_when():
    later = datetime(2090, 1, 1, tzinfo=UTC)
    with registered_action(lambda job: None, start=timedelta(days=3)) as name:
        at_once, then = make_job(name), make_job(name, start_at=later)
        ran: list[Any] = run_due_jobs()

    assert ran == [at_once]
    assert then.start_at == later
