"""The rescuer takes jobs from workers that are dead, and from no worker that lives."""

from typing import Any
from uuid import uuid4

import pytest

from jobs import cancel_job
from jobs.actors import SYSTEM
from jobs.execution.leases import Leases
from jobs.models import Job, JobEvent
from jobs.processes.rescuer import Rescuer
from jobs.status import Status
from tests.support.concurrency import postgresql_only, somebody_holds
from tests.support.execution import ago, count_final_events, last_event, make_expired_job
from tests.support.factories import fence_of, make_running_job
from tests.support.worker_process import status_of

pytestmark = pytest.mark.django_db

# Defaults: a beat every 10 s, a lease of 45 s; so the second check is due 11 s after the first.
START = 1_000.0
TOO_SOON = START + 10.9
SECOND_CHECK = START + 11.0


def rescuer_after_first_check() -> Rescuer:
    rescuer = Rescuer()
    assert rescuer.rescue(monotonic=START) == []
    return rescuer


def test_a_job_whose_lease_ran_out_is_rescued_at_the_second_check_unless_that_comes_too_soon(
    caplog: pytest.LogCaptureFixture,
):
    job = make_expired_job()
    rescuer = rescuer_after_first_check()

    too_soon, meanwhile = rescuer.rescue(monotonic=TOO_SOON), status_of(job)
    rescued = rescuer.rescue(monotonic=SECOND_CHECK)

    job.refresh_from_db()
    assert (too_soon, meanwhile, rescued) == ([], Status.RUNNING, [job.pk])
    assert (job.status, job.crashes, job.failures, job.worker) == (Status.SCHEDULED, 1, 0, None)
    assert (last_event(job).what, last_event(job).actor) == (JobEvent.What.RESCUED, str(SYSTEM))
    assert caplog.messages == [f"job={job.pk} rescued from a worker that is gone"]


def test_a_job_whose_lease_lasts_is_left_alone_and_only_an_expired_one_calls_for_a_second_check():
    job = make_running_job()
    rescuer = rescuer_after_first_check()

    assert [rescuer.rescue(monotonic=START + seconds) for seconds in (11, 22, 33, 44)] == [[]] * 4

    assert status_of(job) == Status.RUNNING
    assert not rescuer.has_expired()
    make_expired_job()
    rescuer.rescue(monotonic=START + 55)
    assert rescuer.has_expired()


@pytest.mark.parametrize(
    "change",
    [
        lambda job: Job.objects.update(lease_expires_at=ago(1)),
        lambda job: Job.objects.update(lease_expires_at=ago(-45)),
        lambda job: Job.objects.update(lease_token=uuid4()),
        lambda job: cancel_job(job.pk, project=job.project),
    ],
    ids=["renewed and expired again", "renewed", "claimed again", "cancelled"],
)
def test_any_renewal_claim_or_cancel_between_the_checks_saves_the_job(change: Any):
    job = make_expired_job()
    rescuer = rescuer_after_first_check()
    change(job)
    before = status_of(job)

    assert rescuer.rescue(monotonic=SECOND_CHECK) == []

    assert status_of(job) == before


def test_a_database_error_between_the_checks_saves_the_job():
    job = make_expired_job()
    rescuer = rescuer_after_first_check()

    rescuer.reset()

    assert rescuer.rescue(monotonic=SECOND_CHECK) == []
    assert rescuer.rescue(monotonic=SECOND_CHECK + 11) == [job.pk]


def test_live_jobs_whose_leases_ran_out_in_an_outage_are_saved_by_one_beat():
    jobs = [make_expired_job() for _ in range(5)]
    leases, rescuer = Leases(), rescuer_after_first_check()
    for job in jobs:
        leases.add(fence_of(job))

    leases.renew()

    assert rescuer.rescue(monotonic=SECOND_CHECK) == []
    assert {status_of(job) for job in jobs} == {Status.RUNNING}


def test_a_dead_workers_job_is_rescued_although_the_databases_clock_was_set_back():
    job = make_running_job(lease_expires_at=ago(-3_600))
    rescuer = rescuer_after_first_check()

    rescued = [rescuer.rescue(monotonic=START + seconds) for seconds in (15, 30, 45, 56, 57)]

    assert rescued == [[], [], [], [], [job.pk]]


@pytest.mark.parametrize("crashes", [0, 2])
def test_a_job_that_had_not_begun_is_rescued_without_a_crash_and_never_given_up(crashes: int):
    job = make_expired_job(begun_at=None, crashes=crashes)

    rescuer_after_first_check().rescue(monotonic=SECOND_CHECK)

    job.refresh_from_db()
    assert (job.status, job.crashes) == (Status.SCHEDULED, crashes)


@pytest.mark.parametrize("action", ["touch", "was_removed"])
def test_a_job_that_crashes_its_workers_is_given_up_with_a_plain_reason(action: str):
    job = make_expired_job(action=action, crashes=2)

    assert rescuer_after_first_check().rescue(monotonic=SECOND_CHECK) == [job.pk]

    job.refresh_from_db()
    assert (job.status, job.crashes) == (Status.FAILED, 3)
    assert job.errors == "The worker running this job stopped unexpectedly 3 times, so it was given up."
    assert count_final_events(job) == 1


def test_of_two_rescuers_one_rescues():
    job = make_expired_job()
    rescuers = rescuer_after_first_check(), rescuer_after_first_check()

    rescued = [rescuer.rescue(monotonic=SECOND_CHECK) for rescuer in rescuers]

    assert rescued == [[job.pk], []]
    assert job.events.count() == 1


@postgresql_only
@pytest.mark.django_db(transaction=True)
def test_a_job_whose_row_a_chunk_has_locked_is_not_rescued():
    job = make_expired_job()
    rescuer = rescuer_after_first_check()

    with somebody_holds(job):
        rescued = rescuer.rescue(monotonic=SECOND_CHECK)

    assert rescued == []
    assert status_of(job) == Status.RUNNING
