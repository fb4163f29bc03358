"""What a worker claimed and will not run goes back in line, whatever the database does meanwhile."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import OperationalError

from jobs.db.connection import engine_transaction
from jobs.execution.leases import Leases
from jobs.lifecycle import transitions
from jobs.models import Job, JobEvent
from jobs.processes import releases
from jobs.processes.releases import ReleaseQueue
from jobs.status import Status
from tests.support.concurrency import postgresql_only, somebody_holds
from tests.support.factories import WORKER, fence_of, make_job, make_running_job

pytestmark = pytest.mark.django_db(transaction=True)


def returns_of(leases: Leases, *jobs: Job) -> ReleaseQueue:
    waiting = ReleaseQueue(leases, worker=WORKER)
    waiting.add([leases.add(fence_of(job)) for job in jobs], "The worker was busy.")
    return waiting


def statuses_of(*jobs: Job) -> list[str]:
    return [Job.objects.get(pk=job.pk).status for job in jobs]


def test_they_go_back_unharmed():
    job = make_running_job()
    leases = Leases()
    waiting = returns_of(leases, job)

    waiting.release_all()

    job.refresh_from_db()
    assert (job.status, job.failures, job.crashes) == (Status.SCHEDULED, 0, 0)
    assert job.events.get().what == JobEvent.What.RELEASED
    assert (len(waiting), len(leases)) == (0, 0)


def test_an_outage_half_way_forgets_none_of_them(monkeypatch: pytest.MonkeyPatch):
    jobs = [make_running_job() for _ in range(3)]
    leases = Leases()
    waiting = returns_of(leases, *jobs)
    release, calls = transitions.release, []

    def cut_off_once(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        if len(calls) == 2:
            error = OperationalError("gone")
            error.__cause__ = Exception()
            error.__cause__.sqlstate = "08006"  # type: ignore[attr-defined]
            raise error
        return release(*args, **kwargs)

    monkeypatch.setattr(releases.transitions, "release", cut_off_once)
    with pytest.raises(OperationalError):
        waiting.release_all()
    still_held = len(leases)
    waiting.release_all()

    assert still_held == 2
    assert statuses_of(*jobs) == [Status.SCHEDULED] * 3
    assert (len(waiting), len(leases)) == (0, 0)


@postgresql_only
def test_one_that_is_locked_holds_up_no_other():
    locked, free = make_running_job(), make_running_job()
    waiting = returns_of(Leases(), locked, free)

    with somebody_holds(locked):
        waiting.release_all()
        meanwhile = statuses_of(locked, free)
    waiting.release_all()

    assert meanwhile == [Status.RUNNING, Status.SCHEDULED]
    assert statuses_of(locked) == [Status.SCHEDULED]


def test_what_an_unconfirmed_claim_took_goes_back():
    job, token = make_job(), uuid4()
    waiting = ReleaseQueue(Leases(), worker=WORKER)
    waiting.expect_claim(token)
    with engine_transaction():
        transitions.claim([job.pk], lease_token=token, worker=WORKER, lease=timedelta(seconds=45))

    waiting.release_all()

    assert statuses_of(job) == [Status.SCHEDULED]
    assert len(waiting) == 0


def test_a_confirmed_claim_is_left_alone():
    job, token = make_job(), uuid4()
    waiting = ReleaseQueue(Leases(), worker=WORKER)
    waiting.expect_claim(token)
    with engine_transaction():
        transitions.claim([job.pk], lease_token=token, worker=WORKER, lease=timedelta(seconds=45))
    waiting.confirm_claim(token)

    waiting.release_all()

    assert statuses_of(job) == [Status.RUNNING]


def test_one_that_was_rescued_meanwhile_stays_as_it_is():
    job = make_running_job()
    waiting = returns_of(Leases(), job)
    Job.objects.filter(pk=job.pk).update(lease_token=uuid4())

    waiting.release_all()

    assert statuses_of(job) == [Status.RUNNING]
    assert len(waiting) == 0
