"""Reservations: a dispatched job is left to the engine for a while."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction
from django.utils import timezone

from jobs.lifecycle import reservations, transitions
from jobs.models import Job
from jobs.status import Status
from tests.support.concurrency import postgresql_only, somebody_holds
from tests.support.execution import ago
from tests.support.factories import LONG_AGO, WORKER, fence_of, make_job, make_running_job
from tests.support.interventions import HELD, LATER, STAFF
from tests.support.transitions import changes_of, row_of

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


def reserve(*jobs: Job) -> list[int]:
    with transaction.atomic():
        return reservations.reserve([job.pk for job in jobs], wait=MINUTE)


def claim_one(job: Job) -> bool:
    return transitions.claim_one(job.pk, lease_token=uuid4(), worker=WORKER, lease=timedelta(seconds=45)) is not None


def test_due_jobs_are_reserved_again_once_that_has_run_out_and_nothing_else_of_them_changes():
    job, fresh, stale = make_job(), make_job(reserved_until=ago(-5)), make_job(reserved_until=ago(5))
    before = row_of(job)

    assert reserve(job, fresh, stale) == [job.pk, stale.pk]

    (reserved_until,) = changes_of(job, before).values()
    assert 50 < (reserved_until - timezone.now()).total_seconds() < 70
    assert not job.events.exists()


NOT_SCHEDULED = [{"status": status} for status in Status if status is not Status.SCHEDULED]


@pytest.mark.parametrize("columns", [*NOT_SCHEDULED, {"due_at": LATER}, {"due_at": LATER, **HELD}, HELD], ids=str)
def test_a_job_that_is_held_not_due_or_not_scheduled_is_neither_reserved_nor_claimed(columns: dict[str, Any]):
    job = make_job(**columns)

    assert reserve(job) == reserve() == []
    assert not claim_one(job)


@pytest.mark.django_db(transaction=True)
@postgresql_only
def test_a_row_that_somebody_holds_is_passed_over():
    busy, free = make_job(), make_job()

    with somebody_holds(busy):
        assert reserve(busy, free) == [free.pk]


def test_a_reservation_is_taken_back_and_a_released_job_may_be_dispatched_at_once():
    job, other = make_job(reserved_until=ago(-60)), make_job(reserved_until=ago(-60))
    released = make_running_job(due_at=LONG_AGO)

    with transaction.atomic():
        reservations.unreserve([job.pk])
    transitions.release(fence_of(released), worker=WORKER, note="The worker shut down.")

    assert set(Job.objects.due().unreserved()) == {job, released}
    assert list(Job.objects.reserved()) == [other]


def test_one_job_is_claimed_and_begun_and_its_reservation_ends_as_in_a_claim_of_many():
    job, one_of_many = make_job(reserved_until=ago(-60)), make_job(reserved_until=ago(-60))

    assert claim_one(job)
    transitions.claim([one_of_many.pk], lease_token=uuid4(), worker=WORKER, lease=MINUTE)

    job.refresh_from_db()
    assert (job.status, job.attempt, job.worker) == (Status.RUNNING, 1, WORKER.name)
    assert job.begun_at is not None
    assert [(event.what, event.from_status) for event in job.events.all()] == [("claimed", "scheduled")]
    assert set(Job.objects.values_list("reserved_until", flat=True)) == {None}


def test_a_job_that_is_held_and_resumed_may_be_dispatched_at_once():
    job = make_job(reserved_until=ago(-60))
    named = {"project": job.project, "actor": STAFF}

    assert transitions.hold(job.pk, **named)
    assert (list(Job.objects.reserved()), claim_one(job)) == ([], False)
    assert transitions.resume(job.pk, **named)

    assert reserve(job) == [job.pk]


def test_a_job_that_is_to_run_now_may_be_dispatched_at_once_and_a_reserved_one_stays_with_the_engine():
    later, reserved = make_job(due_at=LATER), make_job(reserved_until=ago(-60))

    made_due = [transitions.advance(job.pk, project=job.project, actor=STAFF) for job in (later, reserved)]

    assert made_due == [True, False]
    assert reserve(later, reserved) == [later.pk]
    assert set(Job.objects.reserved()) == {reserved, later}


def test_a_reserved_job_that_is_cancelled_is_not_waited_for():
    job = make_job(reserved_until=ago(-60))

    assert transitions.cancel(job.pk, project=job.project, actor=STAFF)

    assert list(Job.objects.reserved()) == []
    assert not claim_one(job)
