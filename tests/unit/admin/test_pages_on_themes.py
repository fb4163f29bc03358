"""Pages of ours need nothing of a theme but its base, and an error of a template costs nobody a key."""

from pathlib import Path
from typing import Any, Final

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client, override_settings

from tests.support.admin_client import url
from tests.support.factories import make_job, make_key, make_organization, make_running_job

STAFF_MAY: Final = None
BROKEN: Final = "{% load i18n %}{% url 'a theme needs what is not there' %}"


def rows(sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def with_templates(directory: Path) -> Any:
    """Give a theme's templates priority over ours."""
    return override_settings(TEMPLATES=[{**settings.TEMPLATES[0], "DIRS": [directory, *settings.TEMPLATES[0]["DIRS"]]}])


@pytest.fixture
def broken(tmp_path: Path) -> Any:
    """A theme whose template fails on the page that shows a new key."""
    page = tmp_path / "admin" / "jobs" / "apikey" / "created.html"
    page.parent.mkdir(parents=True)
    page.write_text(BROKEN)
    with with_templates(tmp_path):
        yield


def test_no_key_is_stored_if_the_page_with_its_secret_fails(client: Client, broken: None):
    client.raise_request_exception = False
    organization = make_organization()
    form = {"organization": organization.pk, "project": "", "name": "", "scopes": ["read"], "lifetime_days": ""}

    response = client.post(url("apikey_add"), form)

    assert response.status_code == 500
    assert rows("SELECT count(*) FROM jobs_apikey") == [(0,)]
    assert rows("SELECT count(*) FROM django_admin_log") == [(0,)]


def test_no_key_is_replaced_if_the_page_with_the_new_secret_fails(client: Client, broken: None):
    client.raise_request_exception = False
    old = make_key().key

    response = client.post(url("apikey_rotate", old.pk), {"overlap_hours": 0})

    assert response.status_code == 500
    assert rows("SELECT id, expires_at FROM jobs_apikey") == [(old.pk, None)]
    assert rows("SELECT count(*) FROM django_admin_log") == [(0,)]


def test_our_own_pages_need_only_the_base_of_a_theme(client: Client, tmp_path: Path):
    (tmp_path / "admin").mkdir()
    for name in ("change_form", "change_list", "delete_confirmation", "submit_line"):
        (tmp_path / "admin" / f"{name}.html").write_text(BROKEN)
    job, key = make_running_job(), make_key().key
    waiting = make_job(action="delete_user_data")
    asked = {
        "project": waiting.project_id,
        "action": waiting.action,
        "reference_id": "x",
        "start_at_0": "",
        "start_at_1": "",
    }
    organization = make_organization().pk
    new = {"organization": organization, "project": "", "name": "", "scopes": ["read"], "lifetime_days": ""}

    with with_templates(tmp_path):
        pages = [
            client.get(url("job_overview")),
            client.get(url("job_erasure")),
            client.get(url("job_preview", waiting.pk)),
            client.post(url("job_add"), asked),
            client.post(url("job_changelist"), {"action": "cancel_selected", "_selected_action": [job.pk]}),
            client.post(url("apikey_changelist"), {"action": "revoke_selected", "_selected_action": [key.pk]}),
            client.post(url("apikey_add"), new),
            client.post(url("apikey_rotate", key.pk), {"overlap_hours": 24}),
        ]

    assert [page.status_code for page in pages] == [200] * 8
    for page in pages:
        assert "admin/base_site.html" in [template.name for template in page.templates]
