"""The signs of life of a running job: begin, renew, hold and record leave its status and its history alone."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from jobs.db import clock
from jobs.lifecycle import transitions
from tests.support.factories import LONG_AGO, fence_of, make_running_job
from tests.support.transitions import LEASE, T, changes_of, events_of, row_of

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)


def test_begin_notes_the_time_and_nothing_else():
    job = make_running_job(begun_at=None)
    before = row_of(job)

    assert transitions.begin(fence_of(job), now=T)

    assert changes_of(job, before) == {"begun_at": T}
    assert events_of(job) == []


@pytest.mark.parametrize("transition", [transitions.renew, transitions.prove_fence])
@pytest.mark.parametrize(
    ("expires_at", "now", "changes"),
    [
        (T, T + SECOND, {"lease_expires_at": T + SECOND + LEASE}),
        (T + timedelta(days=3650), T - LEASE, {}),
        (T + timedelta(days=3650), clock.NOW, {}),
    ],
    ids=["extended", "not shortened", "not shortened by the database's clock"],
)
def test_a_lease_is_extended_and_never_shortened_and_nothing_else_changes(
    transition: Any, expires_at: datetime, now: clock.Moment, changes: dict[str, Any]
):
    job = make_running_job(lease_expires_at=expires_at)
    before = row_of(job)

    transition([fence_of(job)] if transition is transitions.renew else fence_of(job), lease=LEASE, now=now)

    assert changes_of(job, before) == changes
    assert events_of(job) == []


def test_renew_extends_many_leases_of_several_claims_and_no_others():
    mine = [make_running_job(lease_expires_at=T) for _ in range(3)]
    lost, foreign = make_running_job(lease_expires_at=T), make_running_job(lease_expires_at=T)
    stale = transitions.Fence(job_id=lost.pk, lease_token=uuid4())

    transitions.renew([*map(fence_of, mine), stale], lease=LEASE, now=T)

    assert {row_of(job)["lease_expires_at"] for job in mine} == {T + LEASE}
    assert {row_of(job)["lease_expires_at"] for job in (lost, foreign)} == {T}


def test_record_stores_progress_and_receipt_and_extends_the_lease():
    job = make_running_job(lease_expires_at=LONG_AGO)
    before, started = row_of(job), clock.read(connection)
    receipt = {"stores": {"events": {"found": 9, "done": 3, "left": 6}}}

    assert transitions.record(fence_of(job), receipt=receipt, done=3, total=9, lease=LEASE)

    changes = changes_of(job, before)
    progress_at, expires_at = changes.pop("progress_at"), changes.pop("lease_expires_at")
    assert changes == {"receipt": receipt, "progress_done": 3, "progress_total": 9}
    assert started <= progress_at <= clock.read(connection)
    assert abs(expires_at - progress_at - LEASE) < timedelta(milliseconds=20)
    assert events_of(job) == []
