"""The form that adds a job: the service's result, and each invalid value as an error of its field."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from unittest.mock import Mock

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


def test_the_form_schedules_the_job_shows_it_and_logs_it_without_a_person(client: Client, user: Any):
    project = make_project()

    response = add(client, project=project.pk, description=f"Delete {E_MAIL}")

    job = Job.objects.get()
    assert (job.project_id, job.action, job.reference_id) == (project.pk, "touch", E_MAIL)
    assert (job.status, job.parameters) == (Status.SCHEDULED, None)
    assert response.url == url("job_change", job.pk)
    assert messages_of(response) == [f"Job {job.pk} is scheduled."]
    event = JobEvent.objects.get()
    assert (event.what, event.actor, event.request_id) == ("scheduled", f"staff:{user.pk}", "r-1")
    entry = LogEntry.objects.get()
    assert (entry.user_id, entry.object_repr, entry.get_change_message()) == (user.pk, f"job {job.pk}", "Added.")
    assert not any(E_MAIL in str(row) for row in LogEntry.objects.values())


def test_start_description_and_spaces_of_the_reference_are_stored_and_a_start_that_has_passed_means_now(client: Client):
    add(client, reference_id=" spaced ", start_at_0="2030-05-01", start_at_1="06:30:00", description="By phone")
    add(client, start_at_0="2020-05-01", start_at_1="06:30:00")

    given, now = Job.objects.order_by("pk")
    assert given.start_at == datetime(2030, 5, 1, 6, 30, tzinfo=UTC)
    assert (given.description, given.reference_id) == ("By phone", " spaced ")
    assert abs(now.start_at - timezone.now()) < timedelta(minutes=1)
    assert now.description  # the action's own


def test_parameters_go_through_the_action_s_own_checks(client: Client):
    refused = add(client, action="touch_with", parameters='{"note": "x", "share": "many"}')
    add(client, action="touch_with", parameters='{"note": "x", "share": 0.5}')

    assert errors_of(refused) == {"parameters": ["parameters.share: A valid number is required."]}
    assert Job.objects.get().parameters == {"note": "x", "share": 0.5}


@pytest.mark.parametrize(
    ("wrong", "values"),
    {
        "project": ["", "999999999"],
        "action": ["", "unknown"],
        "reference_id": ["", "  ", "a\0b", "a\x07b", "ä" * 129],
        "start_at": [("2030-05-01", ""), ("soon", "06:30"), ("9999-05-01", "06:30")],
        "description": ["x" * 1001, "a\x07b"],
        "parameters": ["{", "[" * 5000, "[]", '{"a": 1}'],
    }.items(),
)
def test_an_invalid_value_is_refused_at_its_field(client: Client, wrong: str, values: list[Any]):
    for value in values:
        fields = {"start_at_0": value[0], "start_at_1": value[1]} if wrong == "start_at" else {wrong: value}
        assert set(errors_of(add(client, **fields))) == {wrong}, value

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
    monkeypatch.setattr("jobs.admin.jobs.add.request_job", Mock(side_effect=Busy))

    response = add(client)

    told = "Another change came in between. Nothing was changed; please try again."
    assert errors_of(response) == {"__all__": [told]}
    assert E_MAIL in text_of(response)


def test_the_form_offers_the_registered_actions(client: Client):
    html = text_of(client.get(url("job_add")))

    assert '<option value="touch">touch</option>' in html
    assert "jobs-events" not in html
    assert 'aria-label="Date of the start"' in html


def test_a_user_who_may_not_view_jobs_is_led_to_the_index():
    response = add(with_permissions("add_job"))

    assert response.url == "/admin/"
    assert Job.objects.exists()
