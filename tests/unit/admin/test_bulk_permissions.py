"""Who may change many jobs at once, and that nothing else than their confirmation does it."""

from typing import Any, Final

import pytest
from django.core import signing
from django.test import Client

from jobs.admin.jobs import bulk
from jobs.models import Job
from tests.support.admin_client import client_of, make_staff, messages_of, text_of, url
from tests.support.admin_selection import MAY_CHANGE, PERMISSIONS, changeable, choose, choose_all, confirm, is_changed
from tests.support.factories import make_job

STAFF_MAY: Final = MAY_CHANGE
pytestmark = pytest.mark.usefixtures("staff_project")


@pytest.mark.parametrize("change", PERMISSIONS)
@pytest.mark.parametrize("permission", [*PERMISSIONS.values(), "hold_job"])
@pytest.mark.parametrize("is_all", [False, True])
def test_each_change_has_a_permission_of_its_own(client: Client, change: str, permission: str, is_all: bool):
    job = changeable(change)
    may = PERMISSIONS[change] == permission
    other = client_of(make_staff("view_job", permission))
    offered = f"{change}_selected" in text_of(other.get(url("job_changelist")))

    response = choose(other, change, job, select_across=int(is_all))
    page = choose(client, change, job, select_across=int(is_all))
    taken_over = confirm(other, page)

    assert offered == may
    assert ("asked" in (response.context or {})) == may
    assert taken_over.status_code == 403  # what one has confirmed another cannot send
    assert not is_changed(change, job)
    assert not Job.objects.filter(action="change_jobs").exists()


def test_a_permission_withdrawn_before_the_confirmation_counts(client: Client, user: Any):
    job = make_job()
    pages = [choose(client, "cancel", job), choose_all(client, "cancel", job)]
    user.user_permissions.clear()

    assert [confirm(client, page).status_code for page in pages] == [403, 403]
    assert not is_changed("cancel", job)


def test_the_confirmation_s_address_is_refused_to_everybody_else():
    for who in (None, make_staff(), make_staff("cancel_job")):
        response = client_of(who).post(url("job_bulk"), {"asked": "x"})
        assert response.status_code in (302, 403)
        assert response.status_code == 403 or "/login/" in response.url


def test_a_forged_confirmation_changes_nothing(client: Client, user: Any):
    job = make_job()
    asked = {"change": "cancel", "user": str(user.pk), "back": "", "ids": [job.pk]}
    good = choose(client, "cancel", job).context["asked"]

    for forged in ("", "x", good[:-1], f"{good}x", signing.dumps(asked), signing.dumps([], salt=bulk.SALT), "\0"):
        response = client.post(url("job_bulk"), {"asked": forged})
        assert messages_of(response)[-1] == "Nothing was changed: please start again.", forged

    assert not is_changed("cancel", job)


def test_a_confirmation_is_good_for_an_hour(client: Client, monkeypatch: pytest.MonkeyPatch):
    job = make_job()
    page = choose(client, "cancel", job)
    monkeypatch.setattr(bulk, "CONFIRM_WITHIN_SECONDS", -1)

    confirm(client, page)

    assert not is_changed("cancel", job)


def test_a_get_of_the_confirmation_s_address_leads_to_the_list(client: Client):
    page = choose(client, "cancel", make_job())

    response = client.get(url("job_bulk"), {"asked": page.context["asked"]})

    assert response.url == url("job_changelist")


def test_texts_of_users_are_escaped(client: Client):
    job = make_job(reference_id="<script>alert(1)</script>")

    html = text_of(choose(client, "cancel", job))

    assert "<script>alert" not in html
    assert '<bdi class="jobs-text">&lt;script&gt;' in html
