"""Leases: who is alive, who is not, and that nobody alive is robbed."""

from datetime import timedelta
from uuid import uuid4

import pytest

from jobs import cancel_job
from jobs.actors import SYSTEM
from jobs.execution.leases import Leases
from jobs.lifecycle import transitions
from jobs.models import Job, JobEvent
from jobs.processes.rescuer import Rescuer
from jobs.status import Status
from tests.support.concurrency import other_connection, postgresql_only, transaction_of
from tests.support.execution import ago, count_final_events, last_event, make_expired_job
from tests.support.factories import fence_of, make_running_job

pytestmark = pytest.mark.django_db

# Defaults: a beat every 10 s, a lease of 45 s; so a second look 11 s after the first.
START = 1_000.0
SOON = START + 10.9
SECOND_LOOK = START + 11.0


def status_of(job: Job) -> str:
    return Job.objects.values_list("status", flat=True).get(pk=job.pk)


# ---------------------------------------------------------------- two looks


def test_a_job_whose_lease_ran_out_is_rescued_at_the_second_look():
    job = make_expired_job()
    rescuer = Rescuer()

    first, second = rescuer.rescue(monotonic=START), rescuer.rescue(monotonic=SECOND_LOOK)

    job.refresh_from_db()
    assert (first, second) == ([], [job.pk])
    assert (job.status, job.crashes, job.failures, job.worker) == (Status.SCHEDULED, 1, 0, None)
    assert (last_event(job).what, last_event(job).actor) == (JobEvent.What.RESCUED, str(SYSTEM))


def test_a_second_look_that_comes_too_soon_rescues_nothing():
    job = make_expired_job()
    rescuer = Rescuer()
    rescuer.rescue(monotonic=START)

    assert rescuer.rescue(monotonic=SOON) == []

    assert status_of(job) == Status.RUNNING
    assert rescuer.rescue(monotonic=SECOND_LOOK) == [job.pk]


def test_a_job_whose_lease_lasts_is_left_alone():
    job = make_running_job()
    rescuer = Rescuer()

    for seconds in (0, 11, 22, 33, 44):
        assert rescuer.rescue(monotonic=START + seconds) == []

    assert status_of(job) == Status.RUNNING
    assert not rescuer.has_expired()


def test_only_an_expired_lease_makes_a_suspect():
    rescuer = Rescuer()
    make_running_job()
    rescuer.rescue(monotonic=START)
    before = rescuer.has_expired()
    make_expired_job()

    rescuer.rescue(monotonic=START)

    assert (before, rescuer.has_expired()) == (False, True)


@pytest.mark.parametrize("still_expired", [True, False])
def test_any_renewal_between_the_looks_saves_the_job(still_expired: bool):
    job = make_expired_job()
    rescuer = Rescuer()
    rescuer.rescue(monotonic=START)
    renewed = ago(1) if still_expired else ago(-45)
    Job.objects.filter(pk=job.pk).update(lease_expires_at=renewed)

    assert rescuer.rescue(monotonic=SECOND_LOOK) == []

    assert status_of(job) == Status.RUNNING


def test_another_claim_between_the_looks_saves_the_job():
    job = make_expired_job()
    rescuer = Rescuer()
    rescuer.rescue(monotonic=START)
    Job.objects.filter(pk=job.pk).update(lease_token=uuid4())

    assert rescuer.rescue(monotonic=SECOND_LOOK) == []


def test_a_database_error_between_the_looks_saves_the_job():
    job = make_expired_job()
    rescuer = Rescuer()
    rescuer.rescue(monotonic=START)

    rescuer.reset()

    assert rescuer.rescue(monotonic=SECOND_LOOK) == []
    assert rescuer.rescue(monotonic=SECOND_LOOK + 11) == [job.pk]


def test_live_jobs_that_an_outage_let_expire_are_saved_by_one_beat():
    jobs = [make_expired_job() for _ in range(5)]
    leases, rescuer = Leases(), Rescuer()
    for job in jobs:
        leases.add(fence_of(job))
    rescuer.rescue(monotonic=START)

    leases.renew()

    assert rescuer.rescue(monotonic=SECOND_LOOK) == []
    assert {status_of(job) for job in jobs} == {Status.RUNNING}


def test_a_dead_workers_job_is_rescued_although_the_databases_clock_was_set_back():
    job = make_running_job(lease_expires_at=ago(-3_600))
    rescuer = Rescuer()

    looks = [rescuer.rescue(monotonic=START + seconds) for seconds in (0, 15, 30, 45, 56, 57)]

    assert looks == [[], [], [], [], [], [job.pk]]


# ---------------------------------------------------------------- what a rescue counts


def test_a_job_that_had_not_begun_is_rescued_without_a_crash():
    job = make_expired_job(begun_at=None)
    rescuer = Rescuer()
    rescuer.rescue(monotonic=START)

    rescuer.rescue(monotonic=SECOND_LOOK)

    job.refresh_from_db()
    assert (job.status, job.crashes) == (Status.SCHEDULED, 0)


def test_a_job_that_had_not_begun_is_never_given_up():
    job = make_expired_job(begun_at=None, crashes=2)
    rescuer = Rescuer()
    rescuer.rescue(monotonic=START)

    rescuer.rescue(monotonic=SECOND_LOOK)

    job.refresh_from_db()
    assert (job.status, job.crashes) == (Status.SCHEDULED, 2)


@pytest.mark.parametrize("action", ["touch", "was_removed"])
def test_a_job_that_its_workers_die_of_is_given_up_with_a_plain_reason(action: str):
    job = make_expired_job(action=action, crashes=2)
    rescuer = Rescuer()
    rescuer.rescue(monotonic=START)

    assert rescuer.rescue(monotonic=SECOND_LOOK) == [job.pk]

    job.refresh_from_db()
    assert (job.status, job.crashes) == (Status.FAILED, 3)
    assert job.errors == "The worker running this job stopped unexpectedly 3 times, so it was given up."
    assert count_final_events(job) == 1


# ---------------------------------------------------------------- others at the same row


def test_of_two_who_look_one_rescues():
    job = make_expired_job()
    first, second = Rescuer(), Rescuer()
    for rescuer in (first, second):
        rescuer.rescue(monotonic=START)

    rescued = first.rescue(monotonic=SECOND_LOOK), second.rescue(monotonic=SECOND_LOOK)

    assert rescued == ([job.pk], [])
    assert job.events.count() == 1


def test_a_renewal_after_the_second_look_still_wins():
    job = make_expired_job()
    seen = job.lease_expires_at
    transitions.renew([fence_of(job)], lease=timedelta(seconds=45))

    assert not transitions.rescue(fence_of(job), seen=seen, begun=True, note="", actor=SYSTEM)

    assert status_of(job) == Status.RUNNING


def test_a_cancelled_job_is_not_rescued():
    job = make_expired_job()
    rescuer = Rescuer()
    rescuer.rescue(monotonic=START)
    cancel_job(job.pk, project=job.project)

    assert rescuer.rescue(monotonic=SECOND_LOOK) == []

    assert status_of(job) == Status.CANCELLED


@postgresql_only
@pytest.mark.django_db(transaction=True)
def test_a_row_that_a_chunk_holds_is_alive():
    job = make_expired_job()
    rescuer = Rescuer()
    rescuer.rescue(monotonic=START)

    with (
        other_connection() as other,
        transaction_of(other, f"SELECT 1 FROM jobs_job WHERE id = {job.pk} FOR NO KEY UPDATE"),
    ):
        rescued = rescuer.rescue(monotonic=SECOND_LOOK)

    assert rescued == []
    assert status_of(job) == Status.RUNNING
