"""A change of all that match, beside others who hold some of the jobs: it waits for none, and forgets none."""

from contextlib import ExitStack
from typing import Any

import pytest

from jobs.models import Job
from jobs.services.commands import bulk_run
from tests.support.concurrency import postgresql_only, somebody_holds
from tests.support.factories import make_job, make_project
from tests.unit.services.commands.test_bulk_run import carry_out, done, ordered, statuses

pytestmark = [pytest.mark.django_db(transaction=True), postgresql_only]


def test_a_job_that_others_hold_all_the_time_is_counted_as_busy(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bulk_run, "BUSY_PAUSE_SECONDS", 0)
    free, held = make_job(), make_job()
    job = ordered(make_project())

    with somebody_holds(held):
        job = carry_out(job)

    assert job.status == "completed"
    assert (statuses()[free.pk], statuses()[held.pk]) == ("cancelled", "scheduled")
    assert done(job) == {"cancelled": 1, "skipped: busy": 1}


def test_a_job_that_others_let_go_meanwhile_is_changed_at_the_end(monkeypatch: pytest.MonkeyPatch):
    held, free = make_job(), make_job()
    job = ordered(make_project())
    pauses = []
    with ExitStack() as stack:
        stack.enter_context(somebody_holds(held))

        def lets_go(seconds: float) -> None:
            pauses.append(statuses()[free.pk])
            stack.close()

        monkeypatch.setattr(bulk_run.time, "sleep", lets_go)
        job = carry_out(job)

    assert pauses[0] == "cancelled"
    assert statuses()[held.pk] == "cancelled"
    assert done(job) == {"cancelled": 2}


def test_a_run_cut_off_while_a_job_was_busy_comes_back_to_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bulk_run, "STEP", 2)
    jobs = [make_job() for _ in range(6)]
    job = ordered(make_project())

    def cut_off(*_: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patched, somebody_holds(jobs[3]):
        patched.setattr(bulk_run._Run, "_try_busy_again", cut_off)
        assert carry_out(job).status == "scheduled"
    job = carry_out(job)

    assert set(Job.objects.filter(action="touch").values_list("status", flat=True)) == {"cancelled"}
    assert done(job) == {"cancelled": 6}
