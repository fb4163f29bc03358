"""Pauses are to be seen by those who may, and changed by nobody here."""

import pytest

from jobs.models import Pause
from tests.admin.people import text_of, url, with_permissions
from tests.factories import LONG_AGO, make_project

pytestmark = pytest.mark.django_db


def make_pause() -> Pause:
    columns = {"reason": "The <b>disk</b> is full.", "created_at": LONG_AGO, "created_by": "system"}
    return Pause.objects.create(action="touch", project=make_project(), **columns)


def test_the_list_and_the_page_say_what_is_paused_and_why():
    pause = make_pause()
    client = with_permissions("view_pause")

    for address in (url("pause_changelist"), url("pause_change", pause.pk)):
        html = text_of(client.get(address))
        assert f"jobs of action touch in project {pause.project.key}" in html
        assert "The &lt;b&gt;disk&lt;/b&gt; is full." in html


def test_without_the_permission_they_are_not_shown():
    make_pause()

    assert with_permissions("view_job").get(url("pause_changelist")).status_code == 403


@pytest.mark.parametrize("page", ["pause_add", "pause_change", "pause_delete"])
def test_nobody_changes_them_here(page: str):
    pause = make_pause()
    client = with_permissions("view_pause", "add_pause", "change_pause", "delete_pause")

    response = client.post(url(page, *([] if page == "pause_add" else [pause.pk])), {"reason": "Other", "post": "yes"})

    assert response.status_code == 403
    assert Pause.objects.get().reason == pause.reason
