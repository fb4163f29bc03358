"""The job ``change_jobs``: it changes all matching jobs, no others, none twice, and counts why it skips some."""

from typing import Any, Final
from uuid import uuid4

import pytest

from jobs.exceptions import InvalidField
from jobs.models import Job, JobEvent
from jobs.services.commands import bulk_change, bulk_run
from jobs.services.commands.bulk_change import BulkChange, Change
from jobs.services.commands.schedule import schedule_job
from jobs.services.search.staff_filter import JobFilter
from jobs.status import Status
from tests.support.bulk_changes import counts_of, make_bulk_change, request, run, statuses
from tests.support.execution import make_due_jobs
from tests.support.factories import LONG_AGO, make_job, make_project, make_running_job

pytestmark = pytest.mark.django_db

FUTURE: Final = LONG_AGO.replace(year=2999)


@pytest.fixture
def staff_project() -> Any:
    return make_project()


def test_all_matching_jobs_are_cancelled_and_counted_and_have_an_event(staff_project: Any):
    project = make_project()
    matching = [make_job(project=project), make_running_job(project=project), make_job(project=project)]
    unmatched = [make_job(), make_running_job(), make_job(project=project, status=Status.COMPLETED)]

    job = run(request(staff_project, project=project.pk))

    now = statuses()
    assert job.status == "completed"
    assert [now[each.pk] for each in matching] == ["cancelled"] * 3
    assert [now[each.pk] for each in unmatched] == ["scheduled", "running", "completed"]
    assert counts_of(job) == {"cancelled": 3}
    assert (job.progress_done, job.progress_total) == (3, 3)
    events = JobEvent.objects.filter(job__in=matching).values_list("actor", "request_id", "note")
    assert list(events) == [("staff:7", "r-1", "the region is down")] * 3


def test_a_job_that_was_created_after_the_confirmation_is_not_changed(staff_project: Any):
    job = request(staff_project)
    late = make_job()

    run(job)

    assert statuses() == {late.pk: "scheduled", job.pk: "completed"}


@pytest.mark.parametrize(
    "wanted",
    [{"action": "touch_once"}, {"retried": True}, {"due_until": LONG_AGO}, {"search": "a"}, {"status": "running"}],
)
def test_only_jobs_that_match_the_filter_are_changed(staff_project: Any, wanted: dict[str, Any]):
    columns = {"action": "touch_once", "attempt": 3, "reference_id": "a"}
    match = make_running_job(**columns) if "status" in wanted else make_job(**columns)
    unmatched = [make_job(due_at=LONG_AGO.replace(year=2026), reference_id=f"b{number}") for number in range(3)]

    job = run(request(staff_project, **wanted))

    assert statuses()[match.pk] == "cancelled"
    assert [statuses()[other.pk] for other in unmatched] == ["scheduled"] * 3
    assert counts_of(job) == {"cancelled": 1}


def test_thousands_of_jobs_are_changed_in_batches_and_counted_once(staff_project: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bulk_run, "SCAN_SIZE", 700)
    project = make_project()
    make_due_jobs(2_300, project=project)

    job = run(request(staff_project, retried=False, project=project.pk))

    assert set(Job.objects.filter(project=project).values_list("status", flat=True)) == {"cancelled"}
    assert counts_of(job) == {"cancelled": 2_300}
    assert JobEvent.objects.filter(job__project=project).count() == 2_300


def interrupt(job: Job, monkeypatch: pytest.MonkeyPatch, *, after: int) -> None:
    """Run the job until its action is cut off, after so many batches; it is back in the queue."""
    batches = []
    change = bulk_run._Run._change

    def exit_after(self: Any, ids: Any) -> Any:
        batches.append(ids)
        if len(batches) > after:
            raise SystemExit
        return change(self, ids)

    with monkeypatch.context() as patched:
        patched.setattr(bulk_run._Run, "_change", exit_after)
        assert run(job).status == "scheduled"


@pytest.mark.parametrize("change", [Change.CANCEL, Change.RETRY])
def test_a_second_attempt_continues_and_neither_changes_nor_counts_a_job_twice(
    staff_project: Any, monkeypatch: pytest.MonkeyPatch, change: Change
):
    monkeypatch.setattr(bulk_run, "SCAN_SIZE", 10)
    status = Status.SCHEDULED if change is Change.CANCEL else Status.FAILED
    ids = [make_job(status=status, reference_id=f"user-{number}").pk for number in range(35)]
    if change is Change.RETRY:
        make_job(retry_of_id=ids[0])
    job = request(staff_project, change)

    interrupt(job, monkeypatch, after=2)
    half = JobEvent.objects.filter(job__in=ids).count()
    positions = Job.objects.get(pk=job.pk).bulk_positions
    job = run(job)

    assert 0 < half < 34
    assert ids[0] <= positions[status] < ids[-1]
    assert job.status == "completed"
    if change is Change.CANCEL:
        assert counts_of(job) == {"cancelled": 35}
        assert JobEvent.objects.filter(job__in=ids).count() == 35
    else:
        assert counts_of(job) == {"retried": 34, "skipped: retried": 1}
        assert Job.objects.filter(retry_of__in=ids).count() == 35


def test_jobs_that_end_begin_or_vanish_before_their_change_are_skipped_with_the_cause(
    staff_project: Any, monkeypatch: pytest.MonkeyPatch
):
    ends, begins, gone, stays = (make_job() for _ in range(4))
    lease = {"lease_token": uuid4(), "lease_expires_at": LONG_AGO, "worker": "host:1:bbbb"}
    job = request(staff_project, status="scheduled")
    matching = bulk_run._Run._matching

    def write() -> None:
        Job.objects.filter(pk=ends.pk).update(status="completed", finished_at=LONG_AGO)
        Job.objects.filter(pk=begins.pk).update(status="running", **lease)
        Job.objects.filter(pk=gone.pk).delete()

    def write_first(self: Any, ids: Any) -> Any:
        with self._job._guard.off():
            write()
        return matching(self, ids)

    monkeypatch.setattr(bulk_run._Run, "_matching", write_first)
    job = run(job)

    assert counts_of(job) == {"cancelled": 1, "skipped: completed": 1, "skipped: running": 1, "skipped: gone": 1}
    assert [statuses()[each.pk] for each in (stays, ends, begins)] == ["cancelled", "completed", "running"]


def test_run_now_makes_waiting_jobs_due_and_skips_due_and_held_ones(staff_project: Any):
    waits, due = make_job(due_at=FUTURE), make_job()
    held = make_job(due_at=FUTURE, held_at=LONG_AGO)

    job = run(request(staff_project, Change.RUN))

    assert counts_of(job) == {"made due": 1, "skipped: due_already": 1, "skipped: held": 1}
    assert Job.objects.get(pk=waits.pk).due_at < FUTURE
    assert Job.objects.get(pk=due.pk).due_at == LONG_AGO
    assert Job.objects.get(pk=held.pk).is_held


def test_retry_makes_new_jobs_and_skips_redacted_ones(staff_project: Any):
    failed = make_job(status=Status.FAILED)
    make_job(status=Status.FAILED, reference_id="")
    make_job(status=Status.COMPLETED)

    job = run(request(staff_project, Change.RETRY))

    assert counts_of(job) == {"retried": 1, "skipped: redacted": 1}
    assert Job.objects.get(retry_of=failed).status == "scheduled"


@pytest.mark.parametrize(("change", "status"), [("cancel", "scheduled"), ("cancel", "running"), ("retry", "failed")])
def test_another_bulk_change_is_skipped(staff_project: Any, change: str, status: str):
    columns = {"project": staff_project, "action": "change_jobs", "reference_id": "run"}
    another = make_running_job(**columns) if status == "running" else make_job(status=Status(status), **columns)

    job = run(request(staff_project, Change(change)))

    assert counts_of(job) == {"skipped: staff_order": 1}
    assert statuses() == {another.pk: status, job.pk: "completed"}


def test_parameters_without_the_seal_of_a_confirmed_change_are_refused(staff_project: Any):
    parameters = make_bulk_change().as_parameters()

    for seal in ("", "x", bulk_change.seal_of({**parameters, "staff": "2"})):
        with pytest.raises(InvalidField):
            schedule_job(
                "change_jobs", project=staff_project, reference_id="cancel", parameters={**parameters, "seal": seal}
            )

    assert not Job.objects.exists()


def test_the_seal_is_not_stored(staff_project: Any):
    job = request(staff_project)

    assert "seal" not in job.parameters
    assert BulkChange.from_parameters(job.parameters).wanted == JobFilter()
