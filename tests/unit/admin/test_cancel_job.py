"""Staff cancel jobs: through the service, logged without personal data, and told what really happened."""

from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from jobs.admin.jobs import bulk
from jobs.admin.jobs.interventions import INTERVENTIONS
from jobs.exceptions import Busy
from jobs.models import Job, JobEvent
from jobs.services.commands.cancel import cancel_job
from jobs.status import Status
from tests.support.admin_client import client_of, make_staff, messages_of, url
from tests.support.factories import make_job, make_project, make_running_job

pytestmark = pytest.mark.django_db

E_MAIL: Final = "shekar@example.com"


@pytest.fixture
def user() -> Any:
    return make_staff("view_job", "cancel_job")


@pytest.fixture
def client(user: Any) -> Client:
    return client_of(user)


def press(client: Client, job: Job, **fields: str) -> Any:
    return client.post(url("job_cancel", job.pk), fields, headers={"X-Request-Id": "r-1"})


def tick(client: Client, *jobs: Any, query: str = "", **fields: Any) -> Any:
    ids = [getattr(job, "pk", job) for job in jobs]
    chosen = {"action": "cancel_selected", "index": 0, "select_across": 0, "_selected_action": ids}
    page = client.post(url("job_changelist") + query, {**chosen, **fields})
    return confirm(client, page) if page.status_code == 200 else page


def confirm(client: Client, page: Any) -> Any:
    return client.post(url("job_bulk"), {"asked": page.context["asked"]})


def statuses(*jobs: Job) -> list[str]:
    return [Job.objects.get(pk=job.pk).status for job in jobs]


@pytest.mark.parametrize("make", [make_job, make_running_job])
def test_the_button_cancels_and_leads_back_to_the_page(client: Client, make: Any):
    job = make()

    response = press(client, job)

    assert response.url == url("job_change", job.pk)
    assert statuses(job) == ["cancelled"]
    assert messages_of(response) == [f"Cancelled job {job.pk}."]


def test_the_event_names_the_user_by_key_and_the_request_and_the_reason(client: Client, user: Any):
    job = make_job()

    press(client, job, reason="the customer asked us to")

    event = JobEvent.objects.get(job=job)
    assert (event.actor, event.request_id, event.note) == (f"staff:{user.pk}", "r-1", "the customer asked us to")


def test_the_log_names_the_job_and_no_person(client: Client, user: Any):
    job = make_job(reference_id=E_MAIL, description=f"Delete {E_MAIL}")

    press(client, job, reason=f"{E_MAIL} changed their mind")

    entry = LogEntry.objects.get()
    assert (entry.user_id, entry.object_id, entry.object_repr) == (user.pk, str(job.pk), f"job {job.pk}")
    assert entry.get_change_message() == "Cancelled."


@pytest.mark.parametrize("status", [status for status in Status if status.is_final])
def test_a_job_that_has_ended_is_told_and_not_logged(client: Client, status: Status):
    job = make_job(status=status)

    response = press(client, job)

    assert statuses(job) == [status]
    how = "failed" if status is Status.FAILED else f"was {status}"
    assert messages_of(response) == [f"Job {job.pk} was not cancelled: it {how} meanwhile."]
    assert not LogEntry.objects.exists()


def test_a_busy_job_is_told_and_not_logged(client: Client, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: Any, **__: Any) -> None:
        raise Busy

    monkeypatch.setitem(INTERVENTIONS, "cancel", replace(INTERVENTIONS["cancel"], service=refuse))
    job = make_job()

    response = press(client, job)

    (message,) = messages_of(response)
    assert message == f"Job {job.pk} was not cancelled: busy just now and unchanged; try again in a moment."
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("reason", ["a\0b", "a\x07b", "x" * 501])
def test_a_reason_that_cannot_be_stored_cancels_nothing(client: Client, reason: str):
    job = make_job()

    response = press(client, job, reason=reason)

    assert statuses(job) == ["scheduled"]
    assert len(messages_of(response)) == 1


@pytest.mark.parametrize("job_id", ["0", "9223372036854775808", "abc"])
def test_a_job_that_cannot_exist_is_not_found(client: Client, job_id: str):
    assert client.post(url("job_cancel", job_id)).status_code == 404


# ---------------------------------------------------------------- from the list


def test_ticked_jobs_are_cancelled_in_all_projects_and_no_others(client: Client):
    chosen = [make_job(project=make_project()), make_running_job(project=make_project())]
    other = make_job()

    response = tick(client, *chosen)

    assert statuses(*chosen, other) == ["cancelled", "cancelled", "scheduled"]
    assert messages_of(response) == [f"Cancelled 2 jobs: {chosen[0].pk}, {chosen[1].pk}."]
    assert sorted(LogEntry.objects.values_list("object_id", flat=True)) == sorted(str(job.pk) for job in chosen)


def test_each_cause_is_told_with_its_jobs(client: Client):
    done, failed, waiting = make_job(status=Status.COMPLETED), make_job(status=Status.FAILED), make_job()
    also_done = make_job(status=Status.COMPLETED)

    response = tick(client, done, failed, waiting, also_done)

    assert messages_of(response) == [
        f"Cancelled job {waiting.pk}.",
        f"2 jobs were not cancelled ({done.pk}, {also_done.pk}): it was completed meanwhile.",
        f"Job {failed.pk} was not cancelled: it failed meanwhile.",
    ]


def test_a_ticked_job_that_the_filter_hides_by_now_is_cancelled_all_the_same(client: Client):
    started_meanwhile = make_running_job()

    tick(client, started_meanwhile, query="?status=scheduled")

    assert statuses(started_meanwhile) == ["cancelled"]


@pytest.mark.parametrize("job_id", ["abc", "-1", "1.5", "9223372036854775808", "1" * 50])
def test_ids_that_no_row_can_have_are_refused(client: Client, job_id: str):
    job = make_job()

    response = tick(client, job, job_id)

    assert statuses(job) == ["scheduled"]
    assert messages_of(response) == ["Nothing was changed: there are no such rows."]


def test_a_job_that_is_gone_is_told(client: Client):
    job = make_job()

    response = tick(client, job.pk + 1, job)

    assert messages_of(response) == [
        f"Cancelled job {job.pk}.",
        f"Job {job.pk + 1} was not cancelled: there is no such job.",
    ]


def test_the_page_answers_in_time_even_if_every_job_is_busy(client: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bulk, "BULK_SECONDS", -1)
    job = make_job()

    response = tick(client, job)

    assert statuses(job) == ["scheduled"]
    assert "not tried, as the other jobs took too long" in messages_of(response)[0]


def test_a_worker_that_is_just_finishing_wins_and_that_is_told(client: Client, monkeypatch: pytest.MonkeyPatch):
    job = make_running_job(lease_token=uuid4())
    really_cancel = cancel_job

    def finish_first(*arguments: Any, **named: Any) -> Job:
        no_lease = {"lease_token": None, "lease_expires_at": None}
        Job.objects.filter(pk=job.pk).update(status="completed", finished_at=job.created_at, **no_lease)
        return really_cancel(*arguments, **named)

    monkeypatch.setitem(INTERVENTIONS, "cancel", replace(INTERVENTIONS["cancel"], service=finish_first))

    response = press(client, job)

    assert messages_of(response) == [f"Job {job.pk} was not cancelled: it was completed meanwhile."]
    assert statuses(job) == ["completed"]
