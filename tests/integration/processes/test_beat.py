"""The heartbeat renews the leases of a process, waits for no lock, and takes back no lease that has passed on."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from jobs.execution.leases import Leases
from jobs.models import Job
from tests.support.concurrency import other_connection, postgresql_only, transaction_of
from tests.support.execution import ago, lease_of, make_expired_job
from tests.support.factories import fence_of, make_running_job

pytestmark = pytest.mark.django_db


def leases_of(*jobs: Job) -> Leases:
    leases = Leases()
    for job in jobs:
        leases.add(fence_of(job))
    return leases


def test_a_beat_extends_every_lease_of_the_process():
    jobs = [make_running_job(lease_expires_at=ago(-5)) for _ in range(3)]

    leases_of(*jobs).renew()

    expiries = Job.objects.values_list("lease_expires_at", flat=True)
    assert all(40 < (expiry - timezone.now()).total_seconds() < 50 for expiry in expiries)


def test_a_beat_never_shortens_a_lease_and_leaves_updated_at_alone():
    far = ago(-600)
    job = make_running_job(lease_expires_at=far)

    leases_of(job).renew()

    again = Job.objects.get(pk=job.pk)
    assert abs((again.lease_expires_at - far).total_seconds()) < 0.01
    assert again.updated_at == job.updated_at


def test_a_beat_does_not_extend_a_lease_that_passed_on():
    job = make_expired_job()
    leases = leases_of(job)
    Job.objects.filter(pk=job.pk).update(lease_token=uuid4())

    leases.renew()

    assert Job.objects.expired().count() == 1


def test_a_beat_does_not_extend_the_lease_of_an_action_past_its_deadline():
    leases = leases_of(make_expired_job())
    (lease,) = leases.all()
    lease.deadline, lease.progressed = timedelta(seconds=1), lease.progressed - 2

    leases.renew()

    assert Job.objects.expired().count() == 1


@postgresql_only
@pytest.mark.django_db(transaction=True)
def test_a_beat_skips_a_row_that_a_chunk_has_locked_and_renews_the_rest():
    locked, free = make_expired_job(), make_expired_job()
    leases = leases_of(locked, free)
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '50ms'")

    with (
        other_connection() as other,
        transaction_of(other, f"SELECT 1 FROM jobs_job WHERE id = {locked.pk} FOR NO KEY UPDATE"),
    ):
        leases.renew()

    assert list(Job.objects.expired()) == [locked]


def test_a_lease_has_no_deadline_until_its_action_is_entered():
    lease = lease_of(make_running_job())
    lease.progressed -= 10_000

    assert not lease.is_overdue()


def test_dropping_a_job_that_was_claimed_again_keeps_the_new_lease():
    job = make_running_job()
    leases = Leases()
    old, new = leases.add(fence_of(job)), leases.add(fence_of(job))

    leases.drop(old)

    assert leases.all() == [new]
    assert len(leases) == 1
