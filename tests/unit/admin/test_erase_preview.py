"""A job with an erase map is asked for in two posts: the first shows what it would do, the second is bound to that."""

import logging
from datetime import timedelta
from typing import Any, Final
from unittest.mock import Mock

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from jobs.exceptions import TooSlow
from jobs.models import Job, JobEvent
from jobs.services.reports import erase_preview
from jobs.status import Status
from jobsite.models import Session
from tests.support.admin_client import client_of, make_staff, messages_of, text_of, url, with_permissions
from tests.support.factories import LONG_AGO, make_job, make_project

STAFF_MAY: Final = ("view_job", "add_job")

ACTION: Final = "delete_user_data"
ANA: Final = "ana@example.com"
SCRIPT: Final = "<script>alert(1)</script>"
NOTHING: Final = "Nothing was found for this reference."
PREVIEW: Final = "jobs.admin.jobs.erasure.preview_erase"
WRITES: Final = ("INSERT", "UPDATE", "DELETE")


def make_sessions(count: int, *, project: Any, reference: str = ANA) -> None:
    row = {"project": project, "user_id": reference, "started_at": LONG_AGO, "country": "IR", "page": "/"}
    Session.objects.bulk_create([Session(duration=timedelta(minutes=1), **row) for _ in range(count)])


def ask(client: Client, **fields: Any) -> Any:
    given = {"action": ACTION, "reference_id": ANA, "start_at_0": "", "start_at_1": "", "description": ""}
    response = client.post(url("job_add"), {**given, "parameters": "", **fields}, headers={"X-Request-Id": "r-1"})
    assert response.status_code in (200, 302)
    return response


def press(client: Client, shown: Any, **changes: Any) -> Any:
    """Send the form of the page that showed a preview."""
    draft, preview = shown.context["draft"], shown.context["preview"]
    hidden = {"plan": preview["plan"], "at_least": preview.get("at_least") or ""}
    return client.post(url("job_add"), {**draft.data.dict(), **hidden, **changes})


def lines_of(shown: Any) -> list[tuple[str, str, str]]:
    return [(line["store"], str(line["what"]), line["rows"]) for line in shown.context["preview"]["lines"]]


def test_the_first_post_shows_what_the_job_would_do_and_writes_nothing(client: Client):
    project = make_project(name="Shop")
    make_sessions(1200, project=project)
    make_sessions(3, project=make_project())

    with CaptureQueriesContext(connection) as captured:
        shown = ask(client, project=project.pk)

    assert lines_of(shown) == [("events", "erased", "0"), ("sessions", "erased", "1,200")]
    html = text_of(shown)
    assert {
        text for text in (ANA, "Shop", ACTION, "Ask for the job</button>", "nothing has been changed") if text in html
    }
    assert NOTHING not in html
    assert not [query["sql"] for query in captured if query["sql"].startswith(WRITES)]
    assert len(captured) <= 30
    assert not Job.objects.exists()
    assert not LogEntry.objects.exists()


def test_the_second_post_creates_the_job_that_was_shown(client: Client, user: Any):
    project = make_project()
    make_sessions(2, project=project)
    shown = ask(
        client,
        project=project.pk,
        start_at_0="2030-05-01",
        start_at_1="06:30:00",
        description=" By phone ",
        parameters="{}",
    )

    response = press(client, shown)

    job = Job.objects.get()
    assert (job.project_id, job.action, job.reference_id) == (project.pk, ACTION, ANA)
    assert (job.start_at.year, job.description, job.parameters) == (2030, " By phone ", None)
    assert job.receipt == {"created_under": shown.context["preview"]["plan"]}
    assert response.url == url("job_change", job.pk)
    assert messages_of(response) == [f"Job {job.pk} is scheduled."]
    assert JobEvent.objects.get().actor == f"staff:{user.pk}"
    entry = LogEntry.objects.get()
    assert (entry.object_repr, entry.get_change_message()) == (f"job {job.pk}", "Added.")


def test_a_person_of_whom_nothing_is_found_is_told_before_the_button_which_works_all_the_same(client: Client):
    shown = ask(client, project=make_project().pk)
    html = text_of(shown)
    press(client, shown)

    assert NOTHING in html
    assert "Ask for the job all the same</button>" in html
    assert Job.objects.get().reference_id == ANA


def test_a_plan_that_changed_meanwhile_creates_nothing_and_is_shown_anew(client: Client):
    project = make_project()
    make_sessions(2, project=project)

    again = press(client, ask(client, project=project.pk), plan="0" * 32)

    assert "its erase map has changed meanwhile" in text_of(again)
    assert lines_of(again)[1] == ("sessions", "erased", "2")
    assert not Job.objects.exists()
    press(client, again)
    assert Job.objects.exists()


def test_fewer_rows_than_were_shown_create_nothing_and_are_shown_anew(client: Client):
    project = make_project()
    make_sessions(2, project=project)
    shown = ask(client, project=project.pk)
    Session.objects.first().delete()

    again = press(client, shown)

    assert "fewer rows were found than before" in text_of(again)
    assert lines_of(again)[1] == ("sessions", "erased", "1")
    assert not Job.objects.exists()


def test_more_rows_than_were_shown_are_no_obstacle(client: Client):
    project = make_project()
    make_sessions(1, project=project)
    shown = ask(client, project=project.pk)
    make_sessions(1, project=project)

    press(client, shown)

    assert Job.objects.exists()


def test_a_preview_that_takes_too_long_says_so_and_the_job_is_bound_to_the_plan_alone(
    client: Client, monkeypatch: pytest.MonkeyPatch
):
    project = make_project()
    make_sessions(1, project=project)
    monkeypatch.setattr(PREVIEW, Mock(side_effect=TooSlow))
    monkeypatch.setattr("jobs.services.commands.schedule.preview_erase", Mock(side_effect=TooSlow))

    shown = ask(client, project=project.pk)
    refused = press(client, shown, at_least="1")
    exists = Job.objects.exists()
    press(client, shown)

    assert "could not be counted" in text_of(shown)
    assert lines_of(shown) == [("events", "erased", "–"), ("sessions", "erased", "–")]
    assert "it took too long to find out" in text_of(refused)
    assert not exists
    assert Job.objects.exists()


def test_a_count_that_runs_out_of_time_is_at_least_and_binds_to_one_row(
    client: Client, monkeypatch: pytest.MonkeyPatch
):
    project = make_project()
    make_sessions(1000, project=project)
    real = erase_preview._count
    monkeypatch.setattr(erase_preview, "_count", lambda rows, ends_at: (real(rows, ends_at=ends_at)[0], True))

    shown = ask(client, project=project.pk)

    assert lines_of(shown)[1] == ("sessions", "erased", "at least 1,000")
    assert shown.context["preview"]["at_least"] == 1
    assert "there are at least so many" in text_of(shown)


def test_the_request_can_be_changed_after_its_preview(client: Client):
    project = make_project()
    shown = ask(client, project=project.pk, reference_id=" ana ", description="By phone")

    html = text_of(press(client, shown, _edit="1"))

    assert 'name="reference_id" value=" ana "' in html
    assert 'name="description" value="By phone"' in html
    assert "errornote" not in html
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("wrong", "value"),
    [("reference_id", "a\x07b"), ("start_at_0", "soon"), ("parameters", '{"a": 1}'), ("project", "0")],
)
def test_an_invalid_value_is_refused_at_its_field_before_anything_is_counted(
    client: Client, wrong: str, value: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(PREVIEW, Mock(side_effect=AssertionError))

    response = ask(client, **{"project": make_project().pk, wrong: value})

    assert set(response.context["adminform"].form.errors) == {wrong.removesuffix("_0")}
    assert not Job.objects.exists()


def test_a_job_that_already_waits_is_linked_and_no_second_one_created(client: Client):
    project = make_project()
    active = make_job(project=project, action=ACTION, reference_id=ANA, unique_key=ANA)

    response = press(client, ask(client, project=project.pk))

    assert set(response.context["adminform"].form.errors) == {"reference_id"}
    assert f'<a href="{url("job_change", active.pk)}">{active.pk}</a>' in text_of(response)
    assert Job.objects.count() == 1


def test_nobody_previews_without_the_permission_to_add_jobs():
    for client in (with_permissions("view_job", "view_reference"), client_of(make_staff())):
        response = client.post(url("job_add"), {"action": ACTION, "reference_id": ANA, "project": make_project().pk})
        assert response.status_code == 403


def test_texts_of_users_are_escaped_in_a_preview(client: Client):
    project = make_project(name=SCRIPT)

    html = text_of(ask(client, project=project.pk, reference_id=SCRIPT, description=SCRIPT))

    assert "<script>alert" not in html
    assert html.count("&lt;script&gt;alert") >= 5


def preview_page(client: Client, job: Job) -> Any:
    return client.get(url("job_preview", job.pk))


def test_a_waiting_job_is_counted_on_request_only(client: Client, monkeypatch: pytest.MonkeyPatch):
    job = make_job(action=ACTION, reference_id=ANA, receipt={"created_under": "0" * 32})
    make_sessions(2, project=job.project)
    with monkeypatch.context() as patch:
        patch.setattr(PREVIEW, Mock(side_effect=AssertionError))
        page = text_of(client.get(url("job_change", job.pk)))

    with CaptureQueriesContext(connection) as captured:
        shown = preview_page(client, job)

    assert f'<a href="{url("job_preview", job.pk)}">' in page
    assert lines_of(shown) == [("events", "erased", "0"), ("sessions", "erased", "2")]
    assert "The erase map has changed since the job was created." in text_of(shown)
    assert ANA not in text_of(shown)  # this user may not see references
    assert "a•••••" in text_of(shown)
    assert not [query["sql"] for query in captured if query["sql"].startswith(WRITES)]
    assert len(captured) <= 25


@pytest.mark.parametrize(
    ("action", "status"), [(ACTION, Status.RUNNING), (ACTION, Status.COMPLETED), ("touch", Status.SCHEDULED)]
)
def test_a_job_that_does_not_wait_or_has_no_map_has_no_preview(client: Client, action: str, status: Status):
    job = make_job(action=action, status=status)

    response = preview_page(client, job)

    assert response.url == url("job_change", job.pk)
    assert len(messages_of(response)) == 1
    assert url("job_preview", job.pk) not in text_of(client.get(url("job_change", job.pk)))


@pytest.mark.parametrize("count", [0, 2])
def test_no_page_of_a_map_logs_what_its_template_has(client: Client, caplog: pytest.LogCaptureFixture, count: int):
    project = make_project()
    make_sessions(count, project=project)
    receipt = {"stores": {"sessions": {"found": 0, "done": 0, "left": 0, "what": "erased"}}, "plan": "0" * 32}
    jobs = [make_job(action=ACTION, project=project, reference_id=ANA, status=Status.SCHEDULED)]
    jobs += [make_job(reference_id=ANA, status=Status.COMPLETED, receipt=given) for given in (receipt, {})]

    with caplog.at_level(logging.DEBUG, logger="django.template"):
        ask(client, project=project.pk)
        for job in jobs:
            client.get(url("job_change", job.pk))
        client.get(url("job_preview", jobs[0].pk))
        client.get(url("job_erasure"))

    missed = [record.getMessage() for record in caplog.records if record.name == "django.template"]
    assert [text for text in missed if "'admin/jobs/" in text] == []
