"""Staff's steps as transitions: what they change, whom they refuse, and that no worker takes a held job."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from jobs.db import clock
from jobs.lifecycle import transitions
from jobs.models import Job, JobEvent
from jobs.status import RefusalReason, Status
from jobs.workers.claim_order import ClaimOrder, seconds_to_next
from tests.support.concurrency import statements
from tests.support.factories import LONG_AGO, WORKER, make_job, make_project, make_running_job
from tests.support.interventions import HELD, INTERVENTIONS, LATER, REFUSED, STAFF, Intervention
from tests.support.transitions import LEASE, T, changes_of, events_of, row_of

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def event(**what_matters: Any) -> dict[str, Any]:
    by_staff = {"at": T, "actor": "staff:7", "request_id": "request-7", "note": "They asked.", "detail": ""}
    waiting = {"from_status": "scheduled", "to_status": "scheduled", "attempt": 0}
    return {**by_staff, **waiting, **what_matters}


@pytest.mark.parametrize(
    ("name", "columns", "changes"),
    [
        ("hold", {"due_at": LONG_AGO}, {"held_at": T}),
        ("hold", {"due_at": LATER}, {"held_at": T}),
        ("resume", {"start_at": T - DAY, "attempt": 2, **HELD}, {"held_at": None, "due_at": T}),
        ("resume", {"start_at": T, "attempt": 2, **HELD}, {"held_at": None, "due_at": T}),
        ("resume", {"start_at": T + DAY, "attempt": 2, **HELD}, {"held_at": None, "due_at": T + DAY}),
        ("run now", {"start_at": T + DAY, "due_at": T + DAY}, {"due_at": T}),
    ],
)
def test_a_hold_leaves_the_due_time_and_a_resumed_job_is_due_at_its_start_or_now(
    name: str, columns: dict[str, Any], changes: dict[str, Any]
):
    (intervention,) = (each for each in INTERVENTIONS if each.name == name)
    job = make_job(**columns)
    before = row_of(job)

    assert intervention.apply(job)

    assert changes_of(job, before) == {**changes, "updated_at": T}
    assert events_of(job) == [event(what=intervention.what.value, attempt=job.attempt)]
    job.refresh_from_db()
    assert job.is_held == (name == "hold")


@pytest.mark.parametrize(("intervention", "columns", "why"), REFUSED, ids=str)
def test_an_intervention_that_is_refused_changes_nothing(
    intervention: Intervention, columns: dict[str, Any], why: RefusalReason
):
    job = make_job(**columns)
    before = row_of(job)

    assert not intervention.apply(job)

    assert (changes_of(job, before), events_of(job)) == ({}, [])


@pytest.mark.parametrize("intervention", INTERVENTIONS, ids=str)
def test_an_intervention_is_not_taken_for_another_project_nor_twice_nor_with_other_jobs(intervention: Intervention):
    job, other = intervention.make(), intervention.make()
    before = row_of(other)

    by_others = intervention.apply(job, project=make_project())
    first, second = intervention.apply(job), intervention.apply(job)

    assert (by_others, first, second) == (False, True, False)
    assert changes_of(other, before) == {}
    assert len(events_of(job)) == 1


@pytest.mark.parametrize("intervention", INTERVENTIONS, ids=str)
def test_an_intervention_starts_with_its_write_and_is_told_by_the_database_s_clock(intervention: Intervention):
    job = intervention.make()
    started = clock.read(connection)

    with statements(without=("SAVEPOINT", "RELEASE")) as sent:
        assert intervention.apply(job, now=clock.NOW)

    assert len(sent) == 1 if connection.vendor == "postgresql" else sent[0].startswith("UPDATE")
    row, (told,) = row_of(job), events_of(job)
    assert started <= row["updated_at"] <= told["at"] <= clock.read(connection)
    assert started <= (row["held_at"] or row["due_at"]) <= told["at"]


def test_no_worker_claims_or_waits_for_a_held_job_until_it_is_resumed():
    job = make_job()
    transitions.hold(job.pk, project=job.project, actor=STAFF)

    claimed = transitions.claim([job.pk], lease_token=uuid4(), worker=WORKER, lease=LEASE)

    assert claimed == []
    assert ClaimOrder().candidates() == []
    assert seconds_to_next() is None
    transitions.resume(job.pk, project=job.project, actor=STAFF)
    assert seconds_to_next() == 0
    assert [found.job_id for found in ClaimOrder().candidates()] == [job.pk]


def test_held_and_waiting_jobs_are_told_apart():
    held, due, late = make_job(**HELD), make_job(), make_job(due_at=LATER)
    ended = make_job(status=Status.CANCELLED, **HELD)

    assert list(Job.objects.held()) == [held]
    assert set(Job.objects.waiting()) == {due, late}
    assert (held.is_held, due.is_held, late.is_held, ended.is_held) == (True, False, False, False)


def test_of_many_those_that_wait_or_run_are_cancelled():
    jobs = {status: make_job(status=status) for status in Status}
    held, other = make_job(**HELD), make_job()
    running = jobs[Status.RUNNING]

    moved = transitions.cancel_many(
        [held.pk, *(job.pk for job in jobs.values()), 10**9], actor=STAFF, reason="They asked.", now=T
    )

    assert moved == sorted([jobs[Status.SCHEDULED].pk, running.pk, held.pk])
    assert set(Job.objects.filter(pk__in=moved).values_list("status", flat=True)) == {"cancelled"}
    assert row_of(other)["status"] == "scheduled"
    assert events_of(running) == [event(what="cancelled", from_status="running", to_status="cancelled", attempt=1)]
    assert events_of(held) == [event(what="cancelled", to_status="cancelled")]
    assert row_of(held)["held_at"] is None
    assert transitions.cancel_many([], actor=STAFF) == []
    assert JobEvent.objects.count() == 3


def test_of_many_those_that_wait_for_an_instant_are_made_due():
    late, later = make_job(due_at=T + DAY), make_job(due_at=LATER)
    others = [make_job(due_at=T), make_job(due_at=LATER, **HELD), make_running_job(due_at=LATER)]

    moved = transitions.advance_many(
        [later.pk, late.pk, *(job.pk for job in others)], actor=STAFF, reason="They asked.", now=T
    )

    assert moved == [late.pk, later.pk]
    assert {row_of(job)["due_at"] for job in (late, later)} == {T}
    assert events_of(late) == events_of(later) == [event(what="advanced")]
    assert transitions.advance_many([], actor=STAFF) == []
    assert JobEvent.objects.count() == 2


def test_a_retry_is_told_in_the_events_of_both_and_the_failed_row_stays():
    failed = make_job(status=Status.FAILED, attempt=3)
    before = row_of(failed)
    retry = Job(
        project=failed.project, action="touch", reference_id="a", retry_of=failed, created_at=T, start_at=T, due_at=T
    )

    transitions.schedule_retries([retry], actor=STAFF, reason="They asked.")

    assert changes_of(failed, before) == {}
    assert row_of(retry)["retry_of_id"] == failed.pk
    assert events_of(retry) == [event(what="scheduled", from_status="")]
    note = f"Job {retry.pk} tries it again."
    assert events_of(failed) == [event(what="retried", from_status="failed", to_status="failed", attempt=3, note=note)]
