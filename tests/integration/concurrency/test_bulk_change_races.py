"""A bulk change beside transactions that have locked some of the jobs: it waits for none, and forgets none."""

from contextlib import ExitStack

import pytest

from jobs.models import Job
from jobs.services.commands import bulk_run
from tests.support.bulk_changes import counts_of, request, run, statuses
from tests.support.concurrency import postgresql_only, somebody_holds
from tests.support.factories import make_job, make_project

pytestmark = [pytest.mark.django_db(transaction=True), postgresql_only]


def test_a_job_that_stays_locked_is_counted_as_busy(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bulk_run, "BUSY_PAUSE_SECONDS", 0)
    free, locked = make_job(), make_job()
    job = request(make_project())

    with somebody_holds(locked):
        job = run(job)

    assert job.status == "completed"
    assert (statuses()[free.pk], statuses()[locked.pk]) == ("cancelled", "scheduled")
    assert counts_of(job) == {"cancelled": 1, "skipped: busy": 1}


def test_a_job_that_is_unlocked_meanwhile_is_changed_at_the_end(monkeypatch: pytest.MonkeyPatch):
    locked, free = make_job(), make_job()
    job = request(make_project())
    pauses = []
    with ExitStack() as stack:
        stack.enter_context(somebody_holds(locked))

        def unlock(seconds: float) -> None:
            pauses.append(statuses()[free.pk])
            stack.close()

        monkeypatch.setattr(bulk_run.time, "sleep", unlock)
        job = run(job)

    assert pauses[0] == "cancelled"
    assert statuses()[locked.pk] == "cancelled"
    assert counts_of(job) == {"cancelled": 2}


def test_an_attempt_after_one_that_was_cut_off_changes_the_jobs_that_were_locked(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bulk_run, "SCAN_SIZE", 2)
    jobs = [make_job() for _ in range(6)]
    job = request(make_project())

    def exit_now(seconds: float) -> None:
        raise SystemExit

    with monkeypatch.context() as patched, somebody_holds(jobs[3]):
        patched.setattr(bulk_run.time, "sleep", exit_now)
        assert run(job).status == "scheduled"
    job = run(job)

    assert set(Job.objects.filter(action="touch").values_list("status", flat=True)) == {"cancelled"}
    assert counts_of(job) == {"cancelled": 6}
