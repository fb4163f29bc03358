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


def test_a_beat_extends_every_lease_of_the_process_but_that_of_an_action_past_its_deadline():
    leases = leases_of(*(make_running_job(lease_expires_at=ago(-5)) for _ in range(3)))
    overdue = leases.add(fence_of(make_expired_job()))
    overdue.deadline, overdue.progressed = timedelta(seconds=1), overdue.progressed - 2

    leases.renew()

    assert Job.objects.expired().get().pk == overdue.fence.job_id
    expiries = Job.objects.exclude(pk=overdue.fence.job_id).values_list("lease_expires_at", flat=True)
    assert len(expiries) == 3
    assert all(40 < (expiry - timezone.now()).total_seconds() < 50 for expiry in expiries)


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
def test_a_process_that_beats_has_one_row_until_it_leaves_and_no_later_beat_inserts_one(heartbeat: Heartbeat):
    heartbeat.beat()
    heartbeat.beat()
    rows_before = Worker.objects.count()

    heartbeat.leave()
    rows_after = Worker.objects.count()
    heartbeat.beat()

    assert (rows_before, rows_after, Worker.objects.count()) == (1, 0, 0)


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
