"""Roles and addresses: what each role of ``createroles`` may open and change in the admin."""

from collections.abc import Callable
from typing import Any, Final

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import Group
from django.core import signing
from django.db import models
from django.test import Client

from jobs.admin.jobs import bulk
from jobs.models import ApiKey, Job, Organization, Pause, Project
from jobs.services.tenants.projects import get_project_model
from jobs.services.tenants.roles import make_roles
from jobs.status import Status
from tests.support.admin_client import client_of, make_staff, messages_of, url
from tests.support.factories import LONG_AGO, make_job, make_key, make_project

VIEWER, OPERATOR, KEYS = "support viewer", "support operator", "key manager"
ROLES: Final = ("no role", VIEWER, OPERATOR, KEYS, "superuser")

NOBODY: Final[frozenset[str]] = frozenset()
ADMIN: Final = frozenset({"superuser"})
SUPPORT: Final = ADMIN | {VIEWER, OPERATOR}
OPERATORS: Final = ADMIN | {OPERATOR}
KEY_PEOPLE: Final = ADMIN | {KEYS}
ALL: Final = SUPPORT | KEY_PEOPLE

# Of each address: who may open it, and who may send something to it.
MATRIX: Final[dict[str, tuple[frozenset[str], frozenset[str]]]] = {
    "job_changelist": (SUPPORT, OPERATORS),
    "job_overview": (SUPPORT, NOBODY),
    "job_erasure": (SUPPORT, NOBODY),
    "job_preview": (SUPPORT, NOBODY),
    "job_bulk": (SUPPORT, OPERATORS),
    "job_add": (ADMIN, ADMIN),
    "job_change": (SUPPORT, NOBODY),
    "job_delete": (NOBODY, NOBODY),
    "job_history": (SUPPORT, SUPPORT),
    "job_cancel": (OPERATORS, OPERATORS),
    "job_hold": (OPERATORS, OPERATORS),
    "job_resume": (OPERATORS, OPERATORS),
    "job_retry": (OPERATORS, OPERATORS),
    "job_run": (OPERATORS, OPERATORS),
    "apikey_changelist": (KEY_PEOPLE, KEY_PEOPLE),
    "apikey_add": (KEY_PEOPLE, KEY_PEOPLE),
    "apikey_change": (KEY_PEOPLE, NOBODY),
    "apikey_delete": (NOBODY, NOBODY),
    "apikey_history": (KEY_PEOPLE, KEY_PEOPLE),
    "apikey_rotate": (KEY_PEOPLE, KEY_PEOPLE),
    "apikey_revoke": (KEY_PEOPLE, KEY_PEOPLE),
    "organization_changelist": (ALL, ALL),
    "organization_add": (ADMIN, ADMIN),
    "organization_change": (ALL, ADMIN),
    "organization_delete": (ADMIN, ADMIN),
    "organization_history": (ALL, ALL),
    "organization_disable": (ADMIN, ADMIN),
    "organization_enable": (ADMIN, ADMIN),
    "project_changelist": (ALL, ALL),
    "project_add": (ADMIN, ADMIN),
    "project_change": (ALL, ADMIN),
    "project_delete": (ADMIN, ADMIN),
    "project_history": (ALL, ALL),
    "pause_changelist": (SUPPORT, OPERATORS),
    "pause_add": (OPERATORS, OPERATORS),
    "pause_change": (SUPPORT, NOBODY),
    "pause_delete": (NOBODY, NOBODY),
    "pause_history": (SUPPORT, SUPPORT),
    "pause_resume": (OPERATORS, OPERATORS),
}
# These only show something (an action on ticked jobs asks first), or refuse for a reason of their own:
# it is not disabled, has projects, has jobs.
WITHOUT_EFFECT: Final = {name for name in MATRIX if name.endswith("_history")} | {
    *("organization_changelist", "organization_enable", "organization_delete", "project_changelist", "project_delete"),
    "job_changelist",
}
# What the job must be for these steps; for the others, one that waits and is due.
MUST_BE: Final[dict[str, dict[str, Any]]] = {
    "job_run": {"due_at": LONG_AGO.replace(year=2999)},
    "job_resume": {"held_at": LONG_AGO},
    "job_retry": {"status": Status.FAILED, "finished_at": LONG_AGO},
}
ACTIONS: Final = {"job": "cancel_selected", "apikey": "revoke_selected", "pause": "resume_selected"}


def our_addresses() -> set[str]:
    """Return the addresses of our pages as ``<model>_<page>``; the nameless one leads to a row's page."""
    pages = [(model, pages) for model, pages in admin.site._registry.items() if model._meta.app_label == "jobs"]
    return {address.name.partition("_")[2] for _, each in pages for address in each.get_urls() if address.name}


# Every one leads to a view that changes one row.
BUTTONS: Final = (
    *("job_cancel", "job_hold", "job_resume", "job_retry", "job_run", "apikey_rotate", "apikey_revoke"),
    *("organization_disable", "organization_enable", "pause_resume"),
)
OURS: Final = [name for name in MATRIX if not (Project._meta.swapped and name.startswith("project_"))]


def test_every_address_of_the_admin_is_in_the_matrix():
    assert our_addresses() == set(OURS)


@pytest.fixture
def rows() -> dict[str, models.Model]:
    """One row of each model, as yet untouched by staff."""
    project = make_project()
    return {
        "job": make_job(project=project),
        "apikey": make_key(organization=project.organization, project=project).key,
        "organization": project.organization,
        "project": project,
        "pause": Pause.objects.create(action="touch_once", reason="x", created_at=LONG_AGO, created_by="system"),
    }


def client_in(role: str) -> Client:
    """Return a browser of somebody who has this role and nothing else."""
    make_roles(exact=False)
    user = make_staff(superuser=role == "superuser")
    if role in (VIEWER, OPERATOR, KEYS):
        user.groups.add(Group.objects.get(name=role))
    return client_of(user)


def address_of(name: str, rows: dict[str, models.Model]) -> str:
    model, _, page = name.partition("_")
    return url(name, *([] if page in ("changelist", "add", "overview", "erasure", "bulk") else [rows[model].pk]))


def sent_to(name: str, rows: dict[str, Any], client: Client) -> dict[str, Any]:
    """Return what does the page's work, for those who may."""
    model, _, page = name.partition("_")
    if page == "changelist":
        ticked = {"action": ACTIONS.get(model, ""), "_selected_action": [rows[model].pk]}
        return {**ticked, "index": 0, "confirmed": "yes"}
    if name == "job_bulk":  # as the page in between would have signed it, had it let them get there
        asked = {"change": "cancel", "user": client.session[SESSION_KEY], "back": "", "ids": [rows[model].pk]}
        return {"asked": signing.dumps(asked, salt=bulk.SALT)}
    project, organization = rows["project"].pk, rows["organization"].pk
    fields = {
        "job_add": {"project": project, "action": "touch", "reference_id": "x", "start_at_0": "", "start_at_1": ""},
        "apikey_add": {"organization": organization, "project": project, "scopes": ["read"]},
        "apikey_rotate": {"overlap_hours": 24},
        "organization_add": {"name": "New"},
        "organization_change": {"name": "Renamed"},
        "project_add": {"organization": organization, "name": "New"},
        "project_change": {"name": "Renamed"},
        "pause_add": {"action": "touch", "project": project, "reason": "x"},
    }
    return fields.get(name, {"post": "yes"})


def state() -> list[Any]:
    """Return all that staff could have changed."""
    tables: list[Callable[[], Any]] = [
        lambda: Job.objects.values_list("pk", "status", "due_at"),
        lambda: ApiKey.objects.values_list("pk", "revoked_at", "expires_at"),
        lambda: Organization.objects.values_list("pk", "name", "disabled_at"),
        lambda: get_project_model()._base_manager.values_list("pk", "name"),
        lambda: Pause.objects.values_list("pk", "reason"),
        lambda: LogEntry.objects.values_list("pk"),
    ]
    return [sorted(table(), key=str) for table in tables]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_opens_exactly_the_pages_of_the_matrix(role: str, rows: dict[str, models.Model]):
    client = client_in(role)
    before = state()

    answers = {name: client.get(address_of(name, rows)).status_code for name in OURS}

    assert set(answers.values()) <= {200, 302, 403}
    assert {name for name, status in answers.items() if status != 403} == {
        name for name in OURS if role in MATRIX[name][0]
    }
    assert state() == before


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", OURS)
def test_a_post_changes_something_only_for_the_roles_of_the_matrix(name: str, role: str, rows: dict[str, models.Model]):
    client = client_in(role)
    Job.objects.filter(pk=rows["job"].pk).update(**MUST_BE.get(name, {}))
    before = state()

    response = client.post(address_of(name, rows), sent_to(name, rows, client))

    may = role in MATRIX[name][1]
    assert response.status_code in ((200, 302) if may else (403, 405))
    assert (state() != before) == (may and name not in WITHOUT_EFFECT)


def test_without_a_login_every_page_leads_to_the_login(rows: dict[str, models.Model]):
    client, before = client_of(None), state()

    for name in OURS:
        address = address_of(name, rows)
        assert "/login/" in client.get(address).url, name
        assert "/login/" in client.post(address, {"post": "yes"}).url, name

    assert state() == before


@pytest.mark.parametrize("name", [name for name in OURS if "superuser" in MATRIX[name][1]])
def test_nothing_changes_without_the_csrf_token(name: str, rows: dict[str, models.Model]):
    client = client_of(make_staff(superuser=True), enforce_csrf_checks=True)
    before = state()

    response = client.post(address_of(name, rows), sent_to(name, rows, client))

    assert response.status_code == 403
    assert state() == before


def test_a_link_to_a_button_leads_to_the_row_and_one_to_no_row_is_not_found(rows: dict[str, models.Model]):
    client = client_of(make_staff(superuser=True))

    for name in BUTTONS:
        model = name.partition("_")[0]
        response = client.get(address_of(name, rows))
        assert response.url == url(f"{model}_change", rows[model].pk), name
        assert messages_of(response) == [], name
        assert client.post(url(name, 0), {"overlap_hours": 1}).status_code == 404, name


def test_nobody_deletes_ticked_rows(rows: dict[str, models.Model]):
    client = client_of(make_staff(superuser=True))
    before = state()

    for model in {name.partition("_")[0] for name in OURS}:
        client.post(url(f"{model}_changelist"), {"action": "delete_selected", "_selected_action": [rows[model].pk]})
        assert state() == before, model
