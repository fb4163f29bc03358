"""``retry_job`` and ``retry_many``: a failed job is tried again once, by a new one."""

from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from jobs import schedule_job
from jobs.db import clock
from jobs.erasure.plan import DIGEST_CHARACTERS
from jobs.exceptions import Busy, ConcurrentChange, InvalidField, JobNotFound, StepRefused
from jobs.models import Job, JobEvent
from jobs.services.commands import retry as retries
from jobs.services.commands.prune import redact_jobs
from jobs.services.commands.retry import retry_job
from jobs.services.reports.history import public_note
from jobs.status import RefusalReason, Status
from tests.support.factories import LONG_AGO, make_job, make_project
from tests.support.interventions import make_failed, retry
from tests.support.transitions import changes_of, events_of, row_of, unchanged

pytestmark = pytest.mark.django_db


def refusal_of(job: Job) -> StepRefused:
    """Return why it is refused, after checking that nothing was created."""
    count = Job.objects.count()
    with unchanged(job), pytest.raises(StepRefused) as refused:
        retry(job)
    assert (refused.value.job_id, refused.value.status) == (job.pk, job.status)
    assert Job.objects.count() == count
    return refused.value


def test_a_retry_is_a_new_job_with_the_same_request_and_the_failed_one_is_unchanged():
    columns = {
        "project": make_project(),
        "action": "touch_with",
        "reference_id": "Shekar@example.com ",
        "description": "As they called it",
        "parameters": {"note": "n", "share": 0.5},
    }
    failed = make_failed(**columns, attempt=3, failures=3, progress_done=9, receipt={"stores": {}})
    before, started = row_of(failed), clock.read(connection)

    new = retry(failed)

    assert changes_of(failed, before) == {}
    row, stored = row_of(new), Job.objects.get(pk=new.pk)
    assert {name: getattr(stored, name) for name in columns} == columns
    assert (row["status"], row["retry_of_id"], row["unique_key"]) == ("scheduled", failed.pk, None)
    assert started <= row["created_at"] == row["start_at"] == row["due_at"] <= clock.read(connection)
    for fresh in ("updated_at", "errors", "started_at", "finished_at", "worker", "call_digest", "progress_total"):
        assert row[fresh] is None
    for nought in ("attempt", "crashes", "failures", "progress_done"):
        assert row[nought] == 0
    assert row["receipt"] == {}


def test_a_retry_of_an_erase_by_a_map_knows_the_plan_of_its_creation():
    failed = make_failed(action="delete_user_data", receipt={"created_under": "that of before", "stores": {}})
    asked = schedule_job("delete_user_data", project=failed.project, reference_id="another")

    new = retry(failed)

    assert len(new.receipt["created_under"]) == DIGEST_CHARACTERS
    assert Job.objects.get(pk=new.pk).receipt == asked.receipt


def test_the_events_of_both_jobs_of_a_retry_name_staff_and_are_without_a_note_for_integrators():
    failed = make_failed(attempt=3)

    new = retry(failed)

    columns = ("what", "from_status", "to_status", "attempt", "actor", "request_id", "note")
    told = [tuple(event[column] for column in columns) for job in (new, failed) for event in events_of(job)]
    assert told == [
        ("scheduled", "", "scheduled", 0, "staff:7", "request-7", "They asked."),
        ("retried", "failed", "failed", 3, "staff:7", "request-7", f"Job {new.pk} tries it again."),
    ]
    assert [public_note(event) for job in (new, failed) for event in job.events.all()] == [None, None]


def test_the_unique_key_is_that_of_the_action_as_it_is_now():
    failed = make_failed(action="touch_once", unique_key=None)

    assert retry(failed).unique_key == failed.reference_id


def test_a_retry_that_failed_is_retried_itself():
    failed = make_failed()
    first = retry(failed)
    columns = {"status": "failed", "finished_at": LONG_AGO, "worker": "host:1:aaaa"}
    Job.objects.filter(pk=first.pk).update(**columns)

    second = retry(first)

    assert second.retry_of_id == first.pk
    refused = refusal_of(failed)
    assert (refused.why, refused.other_job_id) == (RefusalReason.RETRIED, first.pk)


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        *(({"status": status}, RefusalReason.NOT_FAILED) for status in Status if status is not Status.FAILED),
        ({"reference_id": ""}, RefusalReason.REDACTED),
        ({"action": "was_removed"}, RefusalReason.UNKNOWN_ACTION),
        ({"action": "change_jobs", "reference_id": "cancel"}, RefusalReason.BULK_CHANGE),
    ],
    ids=str,
)
def test_a_job_that_cannot_be_retried_is_refused_with_the_reason(columns: dict[str, Any], why: RefusalReason):
    assert refusal_of(make_job(**{"status": Status.FAILED, **columns})).why is why


@pytest.mark.parametrize("status", [Status.SCHEDULED, Status.RUNNING])
def test_a_unique_job_is_not_retried_beside_an_active_one(status: Status):
    failed = make_failed(action="touch_once", reference_id="a", unique_key="a")
    active = make_job(status=status, action="touch_once", reference_id="a", unique_key="a", project=failed.project)

    refused = refusal_of(failed)

    assert (refused.why, refused.other_job_id) == (RefusalReason.ACTIVE_JOB, active.pk)


def test_active_jobs_of_other_projects_actions_and_references_do_not_matter():
    failed = make_failed(action="touch_once", reference_id="a", unique_key="a")
    make_job(action="touch_once", reference_id="a", unique_key="a")
    make_job(action="touch_once", reference_id="b", unique_key="b", project=failed.project)
    make_job(action="touch", reference_id="a", project=failed.project)

    assert retry(failed).retry_of_id == failed.pk


def test_the_database_refuses_a_second_retry():
    failed = make_failed()
    retry(failed)

    with pytest.raises(IntegrityError), transaction.atomic():
        make_job(retry_of=failed)


@pytest.mark.parametrize("reason", [" ", "a\nb", "x" * 501])
def test_an_invalid_reason_creates_nothing(reason: str):
    failed = make_failed()

    with pytest.raises(InvalidField):
        retry(failed, reason=reason)

    assert Job.objects.count() == 1


def test_another_project_s_job_is_not_found():
    failed = make_failed()

    with pytest.raises(JobNotFound):
        retry_job(failed.pk, project=make_project())


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("within", "error"),
    [(transaction.atomic, ConcurrentChange), (nullcontext, Busy)],
    ids=["in a host's transaction", "elsewhere"],
)
def test_a_rival_that_cannot_be_seen_means_to_try_again(
    within: Any, error: type[Exception], monkeypatch: pytest.MonkeyPatch
):
    failed = make_failed()
    retry(failed)
    monkeypatch.setattr(retries, "_problems_of", lambda _: {})

    with pytest.raises(error), within():
        retry(failed)


def test_a_job_redacted_since_it_was_read_is_not_written_again(monkeypatch: pytest.MonkeyPatch):
    failed = make_failed()
    problems_of = retries._problems_of

    def redact_then(jobs: Any) -> Any:
        found = problems_of(jobs)
        Job.objects.filter(pk=failed.pk).update(reference_id="", description="")
        return found

    monkeypatch.setattr(retries, "_problems_of", redact_then)

    with pytest.raises(StepRefused) as refused:
        retry(failed)

    assert refused.value.why is RefusalReason.REDACTED
    assert Job.objects.count() == 1
    assert not JobEvent.objects.exists()


def test_a_retried_job_is_as_old_as_its_own_creation():
    failed = make_failed()
    new = retry(failed)

    redact_jobs(clock.read(connection) - timedelta(days=1))

    assert row_of(failed)["reference_id"] == ""
    assert row_of(new)["reference_id"] != ""
