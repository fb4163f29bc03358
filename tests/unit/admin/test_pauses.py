"""Pauses in the admin: list, add, resume."""

from typing import Any, Final

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.test import Client

from jobs.models import Pause
from jobs.services.commands.pauses import scope_of
from tests.support.admin_client import make_staff, messages_of, queries_of, text_of, url, with_permissions
from tests.support.factories import LONG_AGO, make_project

STAFF_MAY: Final = ("view_pause", "add_pause", "delete_pause")

WHY: Final = "The <b>disk</b> is full."


def make_pause(**what_matters: Any) -> Pause:
    columns = {"action": "touch", "reason": WHY, "created_at": LONG_AGO, "created_by": "system", **what_matters}
    return Pause.objects.create(**columns)


def pause(client: Client, **fields: Any) -> Any:
    return client.post(url("pause_add"), {"action": "touch", "project": "", "reason": WHY, **fields})


def test_list_and_page_show_what_is_paused_and_why():
    made = make_pause(project=make_project())
    client = with_permissions("view_pause")

    for address in (url("pause_changelist"), url("pause_change", made.pk)):
        html = text_of(client.get(address))
        assert f"jobs of action touch in project {made.project.key}" in html
        assert "The &lt;b&gt;disk&lt;/b&gt; is full." in html


def test_a_scope_is_named_as_by_the_commands(client: Client):
    project = make_project()
    made = [make_pause(action=action, project=within) for action in ("touch", None) for within in (project, None)]

    html = text_of(client.get(url("pause_changelist")))

    assert [each for each in made if f">{scope_of(each)}<" not in html] == []


def test_authors_are_named_or_numbered_if_they_were_deleted():
    author = make_staff()
    get_user_model().objects.filter(pk=author.pk).update(username="<i>ana</i>")
    made = make_pause(created_by=f"staff:{author.pk}")
    gone = make_pause(created_by="staff:987654", action="erase")
    client = with_permissions("view_pause")

    listed = text_of(client.get(url("pause_changelist")))

    for each, name in ((made, ">&lt;i&gt;ana&lt;/i&gt;<"), (gone, ">staff 987654<")):
        assert name in listed
        assert name in text_of(client.get(url("pause_change", each.pk)))


def test_the_names_of_all_authors_take_one_query():
    client = with_permissions("view_pause")
    make_pause(created_by=f"staff:{make_staff().pk}")
    one = queries_of(client, url("pause_changelist"))
    for action in ("a", "b", "c"):
        make_pause(created_by=f"staff:{make_staff().pk}", action=action)

    assert len(queries_of(client, url("pause_changelist"))) <= len(one)


@pytest.mark.parametrize("page", ["pause_add", "pause_resume"])
def test_a_viewer_has_no_button_and_is_refused(page: str):
    made = make_pause()
    client = with_permissions("view_pause", "change_pause")

    listed = text_of(client.get(url("pause_changelist"))) + text_of(client.get(url("pause_change", made.pk)))
    response = client.post(url(page, *([] if page == "pause_add" else [made.pk])), {"action": "*", "reason": "Other"})

    assert response.status_code == 403
    assert "jobs-resume" not in listed
    assert "resume_selected" not in listed
    assert url("pause_add") not in listed
    assert Pause.objects.get().reason == WHY


def test_an_action_is_paused_in_one_project_and_logged_without_the_reason(client: Client, user: Any):
    project = make_project()

    response = pause(client, project=project.pk, reason="mehdi@example.com asked")

    made = Pause.objects.get()
    assert (made.action, made.project_id, made.reason) == ("touch", project.pk, "mehdi@example.com asked")
    assert made.created_by == f"staff:{user.pk}"
    assert response.url == url("pause_changelist")
    what = f"jobs of action touch in project {project.key}"
    assert messages_of(response) == [f"Paused {what}. Running jobs go on."]
    entry = LogEntry.objects.get()
    assert (entry.user_id, entry.get_change_message()) == (user.pk, f"Paused {what}.")
    assert not any("mehdi" in str(row) for row in LogEntry.objects.values())


def test_pausing_again_replaces_the_reason(client: Client):
    make_pause()

    pause(client, reason="Another one.")

    assert Pause.objects.get().reason == "Another one."


def test_all_jobs_are_paused_only_by_an_explicit_choice(client: Client):
    refused = pause(client, action="")
    pause(client, action="*")

    assert set(refused.context["adminform"].form.errors) == {"action"}
    made = Pause.objects.get()
    assert (made.action, made.project_id) == (None, None)


@pytest.mark.parametrize(
    ("wrong", "values"),
    {
        "action": ["unknown"],
        "project": ["999999999"],
        "reason": ["", "  ", "a\0b", "a\x07b", "x" * 501],
    }.items(),
)
def test_an_invalid_value_is_refused_at_its_field(client: Client, wrong: str, values: list[str]):
    for value in values:
        response = pause(client, **{wrong: value})
        assert set(response.context["adminform"].form.errors) == {wrong}, value

    assert not Pause.objects.exists()
    assert not LogEntry.objects.exists()


def test_a_user_who_may_not_view_pauses_is_led_to_the_index():
    response = pause(with_permissions("add_pause"))

    assert response.url == "/admin/"
    assert Pause.objects.exists()


def test_the_button_lifts_the_pause(client: Client, user: Any):
    made, other = make_pause(), make_pause(action="erase")
    page = text_of(client.get(url("pause_change", made.pk)))

    response = client.post(url("pause_resume", made.pk))

    assert f'action="{url("pause_resume", made.pk)}"' in page
    assert list(Pause.objects.all()) == [other]
    assert response.url == url("pause_changelist")
    assert messages_of(response) == [
        "Lifted the pause of jobs of action touch. What another pause covers stays paused."
    ]
    entry = LogEntry.objects.get()
    assert (entry.user_id, entry.get_change_message()) == (user.pk, "Lifted the pause of jobs of action touch.")


def test_the_list_action_lifts_the_pauses_that_are_ticked(client: Client):
    made = [make_pause(action=name) for name in ("a", "b", "c")]
    chosen = {"action": "resume_selected", "index": 0, "_selected_action": [each.pk for each in made[:2]]}

    client.post(url("pause_changelist"), chosen)

    assert list(Pause.objects.all()) == made[2:]


def test_a_pause_that_somebody_else_lifted_is_reported_and_not_logged(client: Client, monkeypatch: pytest.MonkeyPatch):
    made = make_pause()
    monkeypatch.setattr("jobs.admin.pauses.resume_jobs", lambda **_: False)

    response = client.post(url("pause_resume", made.pk))

    assert messages_of(response) == ["Somebody else has lifted the pause of jobs of action touch just now."]
    assert not LogEntry.objects.exists()
