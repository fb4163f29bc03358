"""The form that adds a job: the service's result, and each invalid value as an error of its field."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from jobs.exceptions import Busy
from jobs.models import Job, JobEvent
from jobs.status import Status
from tests.support.admin_client import messages_of, text_of, url, with_permissions
from tests.support.factories import make_job, make_project

STAFF_MAY: Final = ("view_job", "add_job")

E_MAIL: Final = "shekar@example.com"


def add(client: Client, **fields: Any) -> Any:
    given = {"action": "touch", "reference_id": E_MAIL, "start_at_0": "", "start_at_1": "", "description": "", **fields}
    if "project" not in given:
        given["project"] = make_project().pk
    return client.post(url("job_add"), {"parameters": "", **given}, headers={"X-Request-Id": "r-1"})


def errors_of(response: Any) -> dict[str, Any]:
    assert response.status_code == 200
    return dict(response.context["adminform"].form.errors)


def test_the_form_schedules_the_job_and_shows_it(client: Client, user: Any):
    project = make_project()

    response = add(client, project=project.pk)

    job = Job.objects.get()
    assert (job.project_id, job.action, job.reference_id) == (project.pk, "touch", E_MAIL)
    assert (job.status, job.parameters) == (Status.SCHEDULED, None)
    assert job.description
    assert response.url == url("job_change", job.pk)
    assert messages_of(response) == [f"Job {job.pk} is scheduled."]
    event = JobEvent.objects.get()
    assert (event.what, event.actor, event.request_id) == ("scheduled", f"staff:{user.pk}", "r-1")


def test_start_description_and_spaces_of_the_reference_are_stored(client: Client):
    add(client, reference_id=" spaced ", start_at_0="2030-05-01", start_at_1="06:30:00", description="By phone")

    job = Job.objects.get()
    assert job.start_at == datetime(2030, 5, 1, 6, 30, tzinfo=UTC)
    assert (job.description, job.reference_id) == ("By phone", " spaced ")


def test_a_start_that_has_passed_means_now(client: Client):
    add(client, start_at_0="2020-05-01", start_at_1="06:30:00")

    assert abs(Job.objects.get().start_at - timezone.now()) < timedelta(minutes=1)


def test_parameters_go_through_the_action_s_own_checks(client: Client):
    refused = add(client, action="touch_with", parameters='{"note": "x", "share": "many"}')
    add(client, action="touch_with", parameters='{"note": "x", "share": 0.5}')

    assert errors_of(refused) == {"parameters": ["parameters.share: A valid number is required."]}
    assert Job.objects.get().parameters == {"note": "x", "share": 0.5}


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"project": ""}, "project"),
        ({"project": "999999999"}, "project"),
        ({"action": ""}, "action"),
        ({"action": "unknown"}, "action"),
        ({"reference_id": ""}, "reference_id"),
        ({"reference_id": "  "}, "reference_id"),
        ({"reference_id": "a\0b"}, "reference_id"),
        ({"reference_id": "a\x07b"}, "reference_id"),
        ({"reference_id": "ä" * 129}, "reference_id"),
        ({"start_at_0": "2030-05-01"}, "start_at"),
        ({"start_at_0": "soon", "start_at_1": "06:30"}, "start_at"),
        ({"start_at_0": "9999-05-01", "start_at_1": "06:30"}, "start_at"),
        ({"description": "x" * 1001}, "description"),
        ({"description": "a\x07b"}, "description"),
        ({"parameters": "{"}, "parameters"),
        ({"parameters": "[" * 5000}, "parameters"),
        ({"parameters": "[]"}, "parameters"),
        ({"parameters": '{"a": 1}'}, "parameters"),
    ],
)
def test_an_invalid_value_is_refused_at_its_field(client: Client, fields: dict[str, str], wrong: str):
    assert set(errors_of(add(client, **fields))) == {wrong}
    assert not Job.objects.exists()
    assert not LogEntry.objects.exists()


def test_an_active_job_is_linked_and_no_second_one_created(client: Client):
    project = make_project()
    active = make_job(project=project, action="touch_once", reference_id=E_MAIL, unique_key=E_MAIL)

    response = add(client, project=project.pk, action="touch_once")

    assert set(errors_of(response)) == {"reference_id"}
    assert f'<a href="{url("job_change", active.pk)}">{active.pk}</a>' in text_of(response)
    assert Job.objects.count() == 1


def test_a_busy_database_is_reported_and_the_form_kept(client: Client, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: Any, **__: Any) -> None:
        raise Busy

    monkeypatch.setattr("jobs.admin.jobs.add.schedule_job", refuse)

    response = add(client)

    assert errors_of(response) == {
        "__all__": ["Another change came in between. Nothing was changed; please try again."]
    }
    assert E_MAIL in text_of(response)


def test_the_log_names_the_job_and_no_person(client: Client, user: Any):
    add(client, description=f"Delete {E_MAIL}")

    entry = LogEntry.objects.get()
    assert (entry.user_id, entry.object_repr) == (user.pk, f"job {Job.objects.get().pk}")
    assert entry.get_change_message() == "Added."
    assert not any(E_MAIL in str(row) for row in LogEntry.objects.values())


def test_the_form_offers_the_registered_actions(client: Client):
    html = text_of(client.get(url("job_add")))

    assert '<option value="touch">touch</option>' in html
    assert "jobs-events" not in html
    assert 'aria-label="Date of the start"' in html


def test_a_user_who_may_not_view_jobs_is_led_to_the_index():
    response = add(with_permissions("add_job"))

    assert response.url == "/admin/"
    assert Job.objects.exists()
