"""The job that changes all jobs that match: all of these, no others, nothing twice, and every cause is counted."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import pytest

from jobs.db.connection import engine_transaction
from jobs.exceptions import InvalidField
from jobs.execution import runner
from jobs.lifecycle import transitions
from jobs.models import Job, JobEvent
from jobs.services.commands import bulk_change, bulk_run
from jobs.services.commands.bulk_change import BulkChange, Change, request_change
from jobs.services.commands.schedule import schedule_job
from jobs.services.search.staff_filter import JobFilter
from jobs.status import Status
from tests.support.execution import lease_of, no_next_job
from tests.support.factories import LONG_AGO, WORKER, make_job, make_project, make_running_job

pytestmark = pytest.mark.django_db

ACTIVE: Final = ("scheduled", "running")


@pytest.fixture
def staff_project() -> Any:
    return make_project()


def ordered(of: Any, change: Change = Change.CANCEL, **asked: Any) -> Job:
    """Return the job that carries out a change of all that match, as it waits."""
    highest = bulk_change.newest_job_id()
    order = BulkChange(
        change=change, wanted=JobFilter(**asked), highest_id=highest, reason="the region is down", staff="7",
        request_id="r-1",
    )  # fmt: skip
    return request_change(order, project=of)


def carry_out(job: Job) -> Job:
    """Run one attempt of the job; return the row as it then stands."""
    Job.objects.filter(pk=job.pk).update(due_at=LONG_AGO)
    with engine_transaction():
        (claimed,) = transitions.claim(
            [job.pk], lease_token=uuid4(), worker=WORKER, lease=timedelta(seconds=45), begun_ids=[job.pk]
        )
    runner.run(claimed, lease=lease_of(claimed), worker=WORKER, then=no_next_job)
    job.refresh_from_db()
    return job


def done(job: Job) -> dict[str, int]:
    """Return what the receipt counts."""
    return {store: entry["done"] for store, entry in job.receipt["stores"].items() if entry.get("done")}


def statuses() -> dict[int, str]:
    return dict(Job.objects.values_list("pk", "status"))


def test_all_that_match_are_cancelled_and_no_others(staff_project: Any):
    project = make_project()
    matching = [make_job(project=project), make_running_job(project=project), make_job(project=project)]
    others = [make_job(), make_running_job(), make_job(project=project, status=Status.COMPLETED)]

    job = carry_out(ordered(staff_project, project=project.pk))
    late = make_job(project=project)

    now = statuses()
    assert job.status == "completed"
    assert [now[each.pk] for each in matching] == ["cancelled"] * 3
    assert [now[each.pk] for each in others] == ["scheduled", "running", "completed"]
    assert now[late.pk] == "scheduled"
    assert done(job) == {"cancelled": 3}
    assert (job.progress_done, job.progress_total) == (3, 3)


def test_each_has_an_event_that_names_staff_the_request_and_the_reason(staff_project: Any):
    cancelled = make_job()

    carry_out(ordered(staff_project))

    event = JobEvent.objects.get(job=cancelled)
    assert (event.actor, event.request_id, event.note) == ("staff:7", "r-1", "the region is down")


def test_no_job_that_was_created_after_the_confirmation_is_touched(staff_project: Any):
    before = make_job()
    job = ordered(staff_project)
    after = make_job()

    carry_out(job)

    assert (statuses()[before.pk], statuses()[after.pk]) == ("cancelled", "scheduled")
    assert statuses()[job.pk] == "completed"


@pytest.mark.parametrize(
    "asked",
    [{"action": "touch_once"}, {"retried": True}, {"due_until": LONG_AGO}, {"search": "a"}, {"status": "running"}],
)
def test_whatever_the_filter_asks_only_that_is_changed(staff_project: Any, asked: dict[str, Any]):
    wanted = {"action": "touch_once", "attempt": 3, "reference_id": "a"}
    match = make_running_job(**wanted) if "status" in asked else make_job(**wanted)
    others = [make_job(due_at=LONG_AGO.replace(year=2026), reference_id=f"b{number}") for number in range(3)]

    job = carry_out(ordered(staff_project, **asked))

    assert statuses()[match.pk] == "cancelled"
    assert [statuses()[other.pk] for other in others] == ["scheduled"] * 3
    assert done(job) == {"cancelled": 1}


def test_thousands_are_changed_in_batches_and_counted_once(staff_project: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bulk_run, "STEP", 700)
    project = make_project()
    Job.objects.bulk_create([sample_of(project, number) for number in range(2_300)])

    job = carry_out(ordered(staff_project, retried=False, project=project.pk))

    assert set(Job.objects.filter(project=project).values_list("status", flat=True)) == {"cancelled"}
    assert done(job) == {"cancelled": 2_300}
    assert JobEvent.objects.filter(job__project=project).count() == 2_300


def sample_of(project: Any, number: int, **columns: Any) -> Job:
    same = {"action": "touch", "description": "Touch", "created_at": LONG_AGO, "start_at": LONG_AGO}
    return Job(project=project, reference_id=f"user-{number}", **{**same, "due_at": LONG_AGO, **columns})


def interrupted(job: Job, monkeypatch: pytest.MonkeyPatch, *, after: int) -> None:
    """Run the job until its action is cut off, after so many batches; it is back in line."""
    calls = []
    changed = bulk_run._Run._changed

    def dies(self: Any, ids: Any) -> Any:
        calls.append(ids)
        if len(calls) > after:
            raise SystemExit
        return changed(self, ids)

    with monkeypatch.context() as patched:
        patched.setattr(bulk_run._Run, "_changed", dies)
        assert carry_out(job).status == "scheduled"


@pytest.mark.parametrize("change", [Change.CANCEL, Change.RETRY])
def test_killed_half_way_it_goes_on_and_does_and_counts_nothing_twice(
    staff_project: Any, monkeypatch: pytest.MonkeyPatch, change: Change
):
    monkeypatch.setattr(bulk_run, "STEP", 10)
    status = Status.SCHEDULED if change is Change.CANCEL else Status.FAILED
    ids = [make_job(status=status, reference_id=f"user-{number}").pk for number in range(35)]
    if change is Change.RETRY:
        make_job(retry_of_id=ids[0])
    job = ordered(staff_project, change)

    interrupted(job, monkeypatch, after=2)
    half = JobEvent.objects.filter(job__in=ids).count()
    positions = Job.objects.get(pk=job.pk).bulk_positions
    job = carry_out(job)

    assert 0 < half < 34
    assert ids[0] <= positions[status] < ids[-1]
    assert job.status == "completed"
    if change is Change.CANCEL:
        assert done(job) == {"cancelled": 35}
        assert JobEvent.objects.filter(job__in=ids).count() == 35
    else:
        assert done(job) == {"retried": 34, "skipped: retried": 1}
        assert Job.objects.filter(retry_of__in=ids).count() == 35


# ---------------------------------------------------------------- causes


def meanwhile(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], Any]) -> None:
    """Let something happen between the search for jobs and their change."""
    matching = bulk_run._Run._matching

    def first(self: Any, ids: Any) -> Any:
        self.job._engine(happens)
        return matching(self, ids)

    monkeypatch.setattr(bulk_run._Run, "_matching", first)


def test_one_that_ends_between_search_and_change_is_skipped_with_its_cause(
    staff_project: Any, monkeypatch: pytest.MonkeyPatch
):
    ends, gone, stays = make_job(), make_job(), make_job()
    job = ordered(staff_project)

    def happens() -> None:
        Job.objects.filter(pk=ends.pk).update(status="completed", finished_at=LONG_AGO)
        Job.objects.filter(pk=gone.pk).delete()

    meanwhile(monkeypatch, happens)
    job = carry_out(job)

    assert done(job) == {"cancelled": 1, "skipped: completed": 1, "skipped: gone": 1}
    assert statuses()[stays.pk] == "cancelled"
    assert statuses()[ends.pk] == "completed"


def test_one_that_leaves_the_filter_before_its_turn_is_not_touched(staff_project: Any, monkeypatch: pytest.MonkeyPatch):
    begins = make_job()
    lease = {"lease_token": uuid4(), "lease_expires_at": LONG_AGO, "worker": "host:1:bbbb"}
    job = ordered(staff_project, status="scheduled")

    meanwhile(monkeypatch, lambda: Job.objects.filter(pk=begins.pk).update(status="running", **lease))
    job = carry_out(job)

    assert statuses()[begins.pk] == "running"
    assert done(job) == {"skipped: running": 1}


def test_run_now_makes_due_what_waits_for_an_instant_and_says_why_not_of_the_rest(staff_project: Any):
    future = LONG_AGO.replace(year=2999)
    waits, due = make_job(due_at=future), make_job()
    held = make_job(due_at=future, held_at=LONG_AGO)

    job = carry_out(ordered(staff_project, Change.RUN))

    assert done(job) == {"made due": 1, "skipped: due_already": 1, "skipped: held": 1}
    assert Job.objects.get(pk=waits.pk).due_at < future
    assert Job.objects.get(pk=due.pk).due_at == LONG_AGO
    assert Job.objects.get(pk=held.pk).is_held


def test_retries_are_new_jobs_and_causes_are_counted(staff_project: Any):
    failed, redacted = make_job(status=Status.FAILED), make_job(status=Status.FAILED, reference_id="")
    make_job(status=Status.COMPLETED)

    job = carry_out(ordered(staff_project, Change.RETRY))

    assert done(job) == {"retried": 1, "skipped: redacted": 1}
    assert Job.objects.get(retry_of=failed).status == "scheduled"
    assert redacted.pk


@pytest.mark.parametrize(("change", "status"), [("cancel", "scheduled"), ("cancel", "running"), ("retry", "failed")])
def test_what_others_ordered_is_left_alone_and_told(staff_project: Any, change: str, status: str):
    columns = {"project": staff_project, "action": "change_jobs", "reference_id": "run"}
    theirs = make_running_job(**columns) if status == "running" else make_job(status=Status(status), **columns)

    job = carry_out(ordered(staff_project, Change(change)))

    assert done(job) == {"skipped: staff_order": 1}
    assert statuses() == {theirs.pk: status, job.pk: "completed"}


# ---------------------------------------------------------------- who may order it


def test_only_what_was_confirmed_can_become_such_a_job(staff_project: Any):
    order = BulkChange(
        change=Change.CANCEL, wanted=JobFilter(), highest_id=9, reason="", staff="1", request_id=""
    ).as_parameters()

    for seal in ("", "x", bulk_change.seal_of({**order, "staff": "2"})):
        with pytest.raises(InvalidField):
            schedule_job(
                "change_jobs", project=staff_project, reference_id="cancel", parameters={**order, "seal": seal}
            )

    assert not Job.objects.exists()


def test_the_seal_is_not_kept(staff_project: Any):
    job = ordered(staff_project)

    assert "seal" not in job.parameters
    assert BulkChange.from_parameters(job.parameters).wanted == JobFilter()
