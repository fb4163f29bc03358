"""Jobs that a worker has claimed and will not run are released, whatever the database does meanwhile."""

from datetime import timedelta
from unittest.mock import DEFAULT, Mock
from uuid import uuid4

import pytest
from django.db import Error, InterfaceError, OperationalError

from jobs.db.connection import outermost_transaction
from jobs.execution.leases import Leases
from jobs.lifecycle import transitions
from jobs.models import Job, JobEvent
from jobs.processes.releases import ReleaseQueue
from jobs.status import Status
from tests.support.concurrency import lost_connection, postgresql_only, somebody_holds
from tests.support.factories import WORKER, fence_of, make_job, make_running_job
from tests.support.worker_process import status_of

pytestmark = pytest.mark.django_db(transaction=True)


def queue_of(*jobs: Job) -> tuple[ReleaseQueue, Leases]:
    leases = Leases()
    queue = ReleaseQueue(leases, worker=WORKER)
    queue.add([leases.add(fence_of(job)) for job in jobs], "The worker was busy.")
    return queue, leases


def test_a_queued_job_is_released_unharmed_but_one_that_was_rescued_meanwhile_is_left_alone():
    job, rescued = make_running_job(), make_running_job()
    queue, leases = queue_of(job, rescued)
    Job.objects.filter(pk=rescued.pk).update(lease_token=uuid4())

    queue.release_all()

    job.refresh_from_db()
    assert (job.status, job.failures, job.crashes) == (Status.SCHEDULED, 0, 0)
    assert job.events.get().what == JobEvent.What.RELEASED
    assert status_of(rescued) == Status.RUNNING
    assert (len(queue), len(leases)) == (0, 0)


@pytest.mark.parametrize(
    ("error", "before", "begun", "counted"),
    [
        (OperationalError("locked"), 0, True, (Status.SCHEDULED, 0, 1, 1)),
        (OperationalError("locked"), 9, True, (Status.SCHEDULED, 1, 0, 0)),
        (OperationalError("locked"), 9, False, (Status.SCHEDULED, 0, 0, 9)),
        (InterfaceError("away"), 9, True, (Status.SCHEDULED, 0, 0, 9)),
    ],
    ids=["counts", "the tenth", "not begun", "outage"],
)
def test_a_job_whose_outcome_met_no_outage_and_was_not_recorded_counts_an_interruption(
    error: Error, before: int, begun: bool, counted: tuple[object, ...]
):
    job = make_running_job(interruptions_in_a_row=before)
    if not begun:
        Job.objects.filter(pk=job.pk).update(begun_at=None)
    leases = Leases()
    queue = ReleaseQueue(leases, worker=WORKER)

    queue.add_unrecorded(leases.add(fence_of(job)), error)
    queue.release_all()

    job.refresh_from_db()
    assert (job.status, job.failures, job.interruptions, job.interruptions_in_a_row) == counted
    assert (len(queue), len(leases)) == (0, 0)


def test_an_outage_half_way_loses_no_job(monkeypatch: pytest.MonkeyPatch):
    jobs = [make_running_job() for _ in range(3)]
    queue, leases = queue_of(*jobs)
    outcomes = [DEFAULT, lost_connection(), DEFAULT, DEFAULT]
    release = Mock(wraps=transitions.release, side_effect=outcomes)
    monkeypatch.setattr(transitions, "release", release)

    with pytest.raises(OperationalError):
        queue.release_all()
    left = len(leases)
    queue.release_all()

    assert left == 2
    assert [status_of(job) for job in jobs] == [Status.SCHEDULED] * 3
    assert (len(queue), len(leases)) == (0, 0)


@postgresql_only
def test_a_locked_job_does_not_delay_the_rest():
    locked, free = make_running_job(), make_running_job()
    queue, _ = queue_of(locked, free)

    with somebody_holds(locked):
        queue.release_all()
        meanwhile = [status_of(locked), status_of(free)]
    queue.release_all()

    assert meanwhile == [Status.RUNNING, Status.SCHEDULED]
    assert status_of(locked) == Status.SCHEDULED


@pytest.mark.parametrize("is_confirmed", [False, True])
def test_the_jobs_of_a_claim_are_released_unless_it_is_confirmed(is_confirmed: bool):
    job, token = make_job(), uuid4()
    queue, _ = queue_of()
    queue.expect_claim(token)
    with outermost_transaction():
        transitions.claim([job.pk], lease_token=token, worker=WORKER, lease=timedelta(seconds=45))
    if is_confirmed:
        queue.confirm_claim(token)

    queue.release_all()

    assert status_of(job) == (Status.RUNNING if is_confirmed else Status.SCHEDULED)
    assert len(queue) == 0
