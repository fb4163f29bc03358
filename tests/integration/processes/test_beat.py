"""The heartbeat of a process: its row exists as long as it lives, and its leases are renewed."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from jobs.execution.leases import Leases
from jobs.models import Job, Worker
from jobs.processes.heartbeat import Heartbeat
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


def test_a_beat_does_not_extend_the_lease_of_an_action_past_its_deadline():
    leases = leases_of(make_expired_job())
    (lease,) = leases.all()
    lease.deadline, lease.progressed = timedelta(seconds=1), lease.progressed - 2

    leases.renew()

    assert Job.objects.expired().count() == 1


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


@pytest.fixture
def heartbeat() -> Heartbeat:
    return Heartbeat("host:1:aaaa", kind=Worker.Kind.DISPATCHER)


@pytest.mark.django_db(transaction=True)
def test_a_process_that_beats_has_one_row_until_it_leaves(heartbeat: Heartbeat):
    heartbeat.beat()
    heartbeat.beat()
    rows_before = Worker.objects.count()

    heartbeat.leave()

    assert (rows_before, Worker.objects.count()) == (1, 0)


@pytest.mark.django_db(transaction=True)
def test_a_beat_after_the_end_inserts_no_row(heartbeat: Heartbeat):
    heartbeat.leave()

    heartbeat.beat()

    assert not Worker.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_beat_during_the_end_leaves_no_row(heartbeat: Heartbeat, monkeypatch: pytest.MonkeyPatch):
    insert = Worker.objects.create
    leaving = threading.Thread(target=lambda: (heartbeat.leave(), connections.close_all()))

    def insert_late(**columns: Any) -> None:
        leaving.start()
        leaving.join(0.5)
        insert(**columns)

    monkeypatch.setattr(Worker.objects, "create", insert_late)

    heartbeat.beat()

    leaving.join()
    assert not Worker.objects.exists()
