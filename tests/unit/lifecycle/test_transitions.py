"""Each transition: every column that it changes, and its event; signs of life change neither status nor history."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from jobs.db import clock
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


def claim(*jobs: Job, now: datetime = T, **options: Any) -> list[Job]:
    how = {"lease_token": TOKEN, "worker": WORKER, "lease": LEASE, **options}
    return transitions.claim([job.pk for job in jobs], now=now, **how)


def test_claim_gives_a_lease_and_counts_the_attempt():
    job = make_job(attempt=4, crashes=1, failures=2, due_at=T)
    before = row_of(job)

    claimed = claim(job)

    assert [each.pk for each in claimed] == [job.pk]
    lease = {"lease_token": TOKEN, "lease_expires_at": T + LEASE, "worker": WORKER.name}
    assert changes_of(job, before) == {"status": "running", "attempt": 5, "started_at": T, "updated_at": T, **lease}
    assert events_of(job) == [event(what="claimed", from_status="scheduled", to_status="running", attempt=5)]


def test_claim_takes_only_named_jobs_and_none_twice_by_due_time_begins_some_and_keeps_the_first_start():
    late, early, tie = make_job(due_at=T), make_job(due_at=T - SECOND, started_at=LONG_AGO), make_job(due_at=T)
    other, running, gone = make_job(), make_running_job(), Job(pk=10**9)

    claimed = claim(tie, late, early, running, gone, begun_ids=[early.pk])
    again, of_none = claim(early, lease_token=uuid4()), claim(lease_token=uuid4())

    assert claimed == [early, late, tie]
    assert again == of_none == []
    assert {job.lease_token for job in claimed} == {TOKEN}
    assert set(Job.objects.filter(lease_token=TOKEN)) == {early, late, tie}
    assert row_of(other)["status"] == "scheduled"
    assert [(row_of(job)["begun_at"], row_of(job)["started_at"]) for job in (early, late)] == [(T, LONG_AGO), (None, T)]


@pytest.mark.parametrize("wait", [timedelta(microseconds=1), timedelta(milliseconds=1), timedelta(days=1)])
def test_claim_takes_no_job_before_it_is_due(wait: timedelta):
    job = make_job(due_at=T + wait)

    assert claim(job) == []
    assert claim(job, now=T + wait) == [job]


@pytest.mark.parametrize(("finish", "texts"), [("complete", {}), ("fail", {"errors": "Broken."})])
def test_a_finish_is_one_statement_where_the_database_can(finish: str, texts: dict[str, str]):
    job, following = make_running_job(), make_running_job(begun_at=None)

    with statements(without=("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")) as sent:
        getattr(transitions, finish)(fence_of(job), worker=WORKER, next_fence=fence_of(following), now=T, **texts)

    assert len(sent) == (1 if connection.vendor == "postgresql" else 3)
    assert sent[0].lstrip().startswith("WITH changed AS (UPDATE" if connection.vendor == "postgresql" else "UPDATE")


@pytest.mark.parametrize("lost", ["none", "this", "next"])
def test_complete_begins_the_next_job_in_the_same_commit_and_either_can_fail_independently(lost: str):
    job, following = make_running_job(), make_running_job(begun_at=None)
    before, wrong = row_of(following), uuid4()
    this = transitions.Fence(job_id=job.pk, lease_token=wrong) if lost == "this" else fence_of(job)
    next_fence = transitions.Fence(job_id=following.pk, lease_token=wrong) if lost == "next" else fence_of(following)

    finish = transitions.complete(this, worker=WORKER, next_fence=next_fence, now=T)

    assert (finish.won, bool(finish.begun_ids)) == (lost != "this", lost != "next")
    assert row_of(job)["status"] == ("running" if lost == "this" else "completed")
    assert changes_of(following, before) == ({} if lost == "next" else {"begun_at": T})


def test_completing_many_ends_each_under_its_own_fence_and_begins_the_next_ones():
    first, second, cancelled = make_running_job(), make_running_job(), make_job(status=Status.CANCELLED)
    following, others = make_running_job(begun_at=None), make_running_job(begun_at=None)
    fences = [fence_of(job) for job in (first, second, cancelled)]

    done = transitions.complete_many(fences, worker=WORKER, next_fences=[fence_of(following)], now=T)

    assert (done.won, sorted(done.job_ids), done.begun_ids) == (True, [first.pk, second.pk], (following.pk,))
    for job in (first, second):
        assert (row_of(job)["status"], row_of(job)["finished_at"], row_of(job)["lease_token"]) == ("completed", T, None)
        assert events_of(job) == [event(what="completed", to_status="completed")]
    assert events_of(cancelled) == []
    assert (row_of(following)["begun_at"], row_of(others)["begun_at"]) == (T, None)


def test_completing_many_takes_no_token_of_one_job_for_another():
    claimed_again, other = make_running_job(), make_running_job()
    late = transitions.Fence(job_id=claimed_again.pk, lease_token=uuid4())
    type(claimed_again).objects.filter(pk=claimed_again.pk).update(lease_token=other.lease_token)
    before = row_of(claimed_again)

    done = transitions.complete_many(
        [late, fence_of(other)], worker=WORKER, next_fences=[late, fence_of(other)], now=T + SECOND
    )

    assert done.job_ids == (other.pk,)
    assert changes_of(claimed_again, before) == {}
    assert events_of(claimed_again) == []


ENDED = {"finished_at": T, "updated_at": T, **NO_LEASE}
# Transitions of a running job: keyword arguments, the columns that change, and the event.


SCHEDULED = BACK_TO_SCHEDULED
FAILED = {"status": "failed", **ENDED}
# Transitions of a running job: keyword arguments, the columns that change, and the event.
CHANGES: dict[str, tuple[str, dict[str, Any], dict[str, Any], str]] = {
    "complete": ("complete", {}, {"status": "completed", **ENDED}, "completed"),
    "fail: integrators read why, staff the detail": (
        "fail", {"errors": "Broken.", "detail": "Trace\nback"},
        {**FAILED, "errors": "Broken.", "failures": 3}, "failed",
    ),
    "retry later: the start that was asked for stays": (
        "retry_later", {"wait": SECOND, "errors": "Again.", "detail": "Trace"},
        {**SCHEDULED, "failures": 3, "interruptions_in_a_row": 0, "due_at": T + SECOND}, "retrying",
    ),
    "release: no failure and no crash": ("release", {"note": "The worker shut down."}, SCHEDULED, "released"),
    "release until later": (
        "release", {"note": "Later.", "wait": 5 * SECOND}, {**SCHEDULED, "due_at": T + 5 * SECOND}, "released",
    ),
    "interrupt": (
        "interrupt", {"note": "Lost.", "detail": "Trace", "wait": SECOND},
        {**SCHEDULED, "interruptions": 8, "interruptions_in_a_row": 5, "due_at": T + SECOND}, "released",
    ),
    "rescue of a begun job": (
        "rescue", {"seen": T, "begun": True, "note": "It expired."}, {**SCHEDULED, "crashes": 2}, "rescued",
    ),
    "rescue of a job in a buffer: no crash": (
        "rescue", {"seen": T, "begun": False, "note": "It expired."}, SCHEDULED, "rescued",
    ),
    "give up": (
        "give_up", {"seen": T, "errors": "Given up."}, {**FAILED, "errors": "Given up.", "crashes": 2}, "failed",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("name", "arguments", "changes", "what"), CHANGES.values(), ids=CHANGES)
def test_a_transition_changes_these_columns_and_no_others(
    name: str, arguments: dict[str, Any], changes: dict[str, Any], what: str
):
    counted = {"failures": 2, "crashes": 1, "interruptions": 7, "interruptions_in_a_row": 4}
    job = make_running_job(**counted, lease_expires_at=T)
    before = row_of(job)
    by = {"actor" if name in ("rescue", "give_up") else "worker": WORKER}

    result = getattr(transitions, name)(fence_of(job), **arguments, **by, now=T)

    texts = {"note": arguments.get("errors") or arguments.get("note", ""), "detail": arguments.get("detail", "")}
    assert getattr(result, "won", result) is True
    assert changes_of(job, before) == changes
    assert events_of(job) == [event(what=what, to_status=changes["status"], **texts)]


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
