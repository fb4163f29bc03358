"""Each transition: every column that it changes, and its event."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from jobs.lifecycle import transitions
from jobs.models import Job
from jobs.status import Status
from tests.support.concurrency import statements
from tests.support.factories import LONG_AGO, WORKER, fence_of, make_job, make_project, make_running_job
from tests.support.transitions import INTEGRATOR, LEASE, TOKEN, T, changes_of, events_of, row_of

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
NO_LEASE = {"lease_token": None, "lease_expires_at": None}
BACK_TO_SCHEDULED = {"status": "scheduled", "worker": None, "begun_at": None, "updated_at": T, **NO_LEASE}


def event(**what_matters: Any) -> dict[str, Any]:
    plain = {"at": T, "from_status": "running", "attempt": 1, "actor": str(WORKER)}
    return {**plain, "request_id": "", "note": "", "detail": "", **what_matters}


def test_schedule_inserts_the_job_and_its_first_event():
    job = Job(
        project=make_project(), action="touch", reference_id="a", created_at=T, start_at=T + SECOND, due_at=T + SECOND
    )

    transitions.schedule_many([job], actor=INTEGRATOR)

    row = row_of(job)
    assert (row["status"], row["attempt"], row["crashes"], row["failures"]) == ("scheduled", 0, 0, 0)
    assert (row["created_at"], row["updated_at"], row["start_at"], row["due_at"]) == (T, None, T + SECOND, T + SECOND)
    assert events_of(job) == [
        event(
            what="scheduled", from_status="", to_status="scheduled", attempt=0, actor="key:jsk_3fG7a2Qx",
            request_id="request-7",
        )
    ]  # fmt: skip


def test_claim_gives_a_lease_and_counts_the_attempt():
    job = make_job(attempt=4, crashes=1, failures=2, due_at=T)
    before = row_of(job)

    claimed = transitions.claim([job.pk], lease_token=TOKEN, worker=WORKER, lease=LEASE, now=T)

    assert [each.pk for each in claimed] == [job.pk]
    assert changes_of(job, before) == {
        "status": "running",
        "lease_token": TOKEN,
        "lease_expires_at": T + LEASE,
        "worker": WORKER.name,
        "attempt": 5,
        "started_at": T,
        "updated_at": T,
    }
    assert events_of(job) == [event(what="claimed", from_status="scheduled", to_status="running", attempt=5)]


def test_claim_begins_the_named_jobs_and_keeps_the_first_start():
    first, second = make_job(started_at=LONG_AGO), make_job()

    transitions.claim([first.pk, second.pk], lease_token=TOKEN, worker=WORKER, lease=LEASE, begun_ids=[first.pk], now=T)

    assert (row_of(first)["begun_at"], row_of(second)["begun_at"]) == (T, None)
    assert row_of(first)["started_at"] == LONG_AGO


def test_claim_returns_jobs_by_due_time():
    late, early, tie = make_job(due_at=T), make_job(due_at=T - SECOND), make_job(due_at=T)

    claimed = transitions.claim([tie.pk, late.pk, early.pk], lease_token=TOKEN, worker=WORKER, lease=LEASE, now=T)

    assert [job.pk for job in claimed] == [early.pk, late.pk, tie.pk]
    assert {job.lease_token for job in claimed} == {TOKEN}


def test_claim_takes_only_named_jobs_and_none_twice():
    asked, other, running = make_job(), make_job(), make_running_job()

    transitions.claim([asked.pk, running.pk, 10**9], lease_token=TOKEN, worker=WORKER, lease=LEASE, now=T)
    again = transitions.claim([asked.pk], lease_token=uuid4(), worker=WORKER, lease=LEASE, now=T)
    of_none = transitions.claim([], lease_token=uuid4(), worker=WORKER, lease=LEASE, now=T)

    assert again == of_none == []
    assert row_of(other)["status"] == "scheduled"
    assert set(Job.objects.filter(lease_token=TOKEN).values_list("pk", flat=True)) == {asked.pk}


@pytest.mark.parametrize("wait", [timedelta(microseconds=1), timedelta(milliseconds=1), timedelta(days=1)])
def test_claim_takes_no_job_before_it_is_due(wait: timedelta):
    job = make_job(due_at=T + wait)

    assert transitions.claim([job.pk], lease_token=TOKEN, worker=WORKER, lease=LEASE, now=T) == []
    assert transitions.claim([job.pk], lease_token=TOKEN, worker=WORKER, lease=LEASE, now=T + wait) == [job]


def test_complete_begins_the_next_job_in_the_same_commit():
    job, following = make_running_job(), make_running_job(begun_at=None)
    before = row_of(following)

    finish = transitions.complete(fence_of(job), worker=WORKER, then=fence_of(following), now=T)

    assert (finish.won, finish.next_begun) == (True, True)
    assert changes_of(following, before) == {"begun_at": T}


@pytest.mark.parametrize("finish", ["complete", "fail"])
def test_a_finish_is_one_statement_where_the_database_can(finish: str):
    job, following = make_running_job(), make_running_job(begun_at=None)

    with statements(without=("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")) as sent:
        if finish == "complete":
            transitions.complete(fence_of(job), worker=WORKER, then=fence_of(following), now=T)
        else:
            transitions.fail(fence_of(job), errors="Broken.", worker=WORKER, then=fence_of(following), now=T)

    assert len(sent) == (1 if connection.vendor == "postgresql" else 3)
    assert sent[0].lstrip().startswith("WITH changed AS (UPDATE" if connection.vendor == "postgresql" else "UPDATE")


@pytest.mark.parametrize("lost", ["this", "next"])
def test_the_finish_and_the_next_begin_can_fail_independently(lost: str):
    job, following = make_running_job(), make_running_job(begun_at=None)
    wrong = uuid4()
    this = transitions.Fence(job_id=job.pk, lease_token=wrong) if lost == "this" else fence_of(job)
    then = transitions.Fence(job_id=following.pk, lease_token=wrong) if lost == "next" else fence_of(following)

    finish = transitions.complete(this, worker=WORKER, then=then, now=T)

    assert (finish.won, finish.next_begun) == (lost != "this", lost != "next")
    assert row_of(job)["status"] == ("running" if lost == "this" else "completed")
    assert row_of(following)["begun_at"] == (None if lost == "next" else T)


ENDED = {"finished_at": T, "updated_at": T, **NO_LEASE}
# Transitions of a running job: keyword arguments, the columns that change, and the event.
CHANGES: dict[str, tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "complete": (
        "complete",
        {"worker": WORKER},
        {"status": "completed", **ENDED},
        {"what": "completed", "to_status": "completed"},
    ),
    "fail: integrators read why, staff the detail": (
        "fail",
        {"errors": "Broken.", "worker": WORKER, "detail": "Trace\nback"},
        {"status": "failed", "errors": "Broken.", "failures": 3, **ENDED},
        {"what": "failed", "to_status": "failed", "note": "Broken.", "detail": "Trace\nback"},
    ),
    "retry later: the start that was asked for stays": (
        "retry_later",
        {"wait": SECOND, "errors": "Again.", "worker": WORKER, "detail": "Trace"},
        {**BACK_TO_SCHEDULED, "failures": 3, "due_at": T + SECOND},
        {"what": "retrying", "to_status": "scheduled", "note": "Again.", "detail": "Trace"},
    ),
    "release: no failure and no crash": (
        "release",
        {"worker": WORKER, "note": "The worker shut down."},
        BACK_TO_SCHEDULED,
        {"what": "released", "to_status": "scheduled", "note": "The worker shut down."},
    ),
    "release until later": (
        "release",
        {"worker": WORKER, "note": "Later.", "wait": 5 * SECOND},
        {**BACK_TO_SCHEDULED, "due_at": T + 5 * SECOND},
        {"what": "released", "to_status": "scheduled", "note": "Later."},
    ),
    "rescue of a begun job": (
        "rescue",
        {"seen": T, "begun": True, "note": "It expired.", "actor": WORKER},
        {**BACK_TO_SCHEDULED, "crashes": 2},
        {"what": "rescued", "to_status": "scheduled", "note": "It expired."},
    ),
    "rescue of a job in a buffer: no crash": (
        "rescue",
        {"seen": T, "begun": False, "note": "It expired.", "actor": WORKER},
        BACK_TO_SCHEDULED,
        {"what": "rescued", "to_status": "scheduled", "note": "It expired."},
    ),
    "give up": (
        "give_up",
        {"seen": T, "errors": "Given up.", "actor": WORKER},
        {"status": "failed", "errors": "Given up.", "crashes": 2, **ENDED},
        {"what": "failed", "to_status": "failed", "note": "Given up."},
    ),
}


@pytest.mark.parametrize(("name", "arguments", "changes", "told"), CHANGES.values(), ids=CHANGES)
def test_a_transition_changes_these_columns_and_no_others(
    name: str, arguments: dict[str, Any], changes: dict[str, Any], told: dict[str, Any]
):
    job = make_running_job(failures=2, crashes=1, lease_expires_at=T)
    before = row_of(job)

    result = getattr(transitions, name)(fence_of(job), **arguments, now=T)

    assert getattr(result, "won", result) is True
    assert changes_of(job, before) == changes
    assert events_of(job) == [event(**told)]


@pytest.mark.parametrize("status", [Status.SCHEDULED, Status.RUNNING])
def test_cancel_ends_a_job_that_waits_or_runs(status: Status):
    job = make_job(status=status)
    before = row_of(job)

    assert transitions.cancel(job.pk, project=job.project, actor=INTEGRATOR, reason="Asked for.", now=T)

    lease = NO_LEASE if status is Status.RUNNING else {}
    by_key = {"actor": "key:jsk_3fG7a2Qx", "request_id": "request-7", "note": "Asked for."}
    told = event(what="cancelled", from_status=status.value, to_status="cancelled", attempt=job.attempt, **by_key)
    assert changes_of(job, before) == {"status": "cancelled", "finished_at": T, "updated_at": T, **lease}
    assert events_of(job) == [told]
