"""The groups of support staff: made once, completed later, never robbed of what a host gave them."""

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission

from jobs.exceptions import RolesUnavailable
from jobs.models import Job
from jobs.services.tenants.projects import get_project_model
from jobs.services.tenants.roles import ROLES, make_roles
from tests.support.commands import error_of, run, run_json

pytestmark = pytest.mark.django_db

PROJECT = get_project_model()._meta
VIEW_PROJECT = f"{PROJECT.app_label}.view_{PROJECT.model_name}"


def permissions_of(name: str) -> set[str]:
    rows = Group.objects.get(name=name).permissions.select_related("content_type")
    return {f"{row.content_type.app_label}.{row.codename}" for row in rows}


def test_the_three_groups_are_made_with_the_host_s_own_project_among_what_they_see():
    changes = make_roles(exact=False)

    assert [change.name for change in changes] == list(ROLES)
    assert all(change.is_new for change in changes)
    viewer, operator, keys = map(permissions_of, ROLES)
    assert viewer == {*(f"jobs.view_{name}" for name in ("job", "jobevent", "organization", "pause")), VIEW_PROJECT}
    steps = {f"jobs.{name}" for name in ("cancel_job", "retry_job", "run_job", "hold_job", "add_pause", "delete_pause")}
    assert operator - viewer == {*steps, "jobs.view_reference", "jobs.view_job_detail"}
    assert viewer <= operator
    own = {f"jobs.{name}_apikey" for name in ("view", "add", "rotate", "revoke")}
    assert keys == {"jobs.view_organization", VIEW_PROJECT, *own}


def test_made_again_nothing_changes():
    make_roles(exact=False)
    before = {name: permissions_of(name) for name in ROLES}

    changes = make_roles(exact=True)

    assert not any(change.is_new or change.given or change.taken for change in changes)
    assert {name: permissions_of(name) for name in ROLES} == before


def test_what_a_role_lacks_is_given_and_what_a_host_added_stays_unless_exactly_the_role_is_asked_for():
    make_roles(exact=False)
    group = Group.objects.get(name="support viewer")
    group.permissions.remove(Permission.objects.get(codename="view_job"))
    group.permissions.add(Permission.objects.get(codename="add_job"))

    viewer, *others = make_roles(exact=False)
    both = permissions_of("support viewer")
    exactly, *_ = make_roles(exact=True)

    assert (viewer.is_new, viewer.given, viewer.taken) == (False, ["jobs.view_job"], [])
    assert not any(change.given for change in others)
    assert {"jobs.view_job", "jobs.add_job"} <= both
    assert (exactly.given, exactly.taken) == ([], ["jobs.add_job"])
    assert permissions_of("support viewer") == both - {"jobs.add_job"}


def test_a_database_without_the_permissions_is_told_and_no_group_made():
    Permission.objects.filter(codename="revoke_apikey").delete()

    with pytest.raises(RolesUnavailable, match=r"no permission jobs\.revoke_apikey; run migrate first"):
        make_roles(exact=False)

    assert not Group.objects.exists()


def test_the_command_says_what_changed():
    first = run("createroles")
    Group.objects.get(name="support operator").permissions.add(Permission.objects.get(codename="add_job"))
    kept = run("createroles")
    exact = run_json("createroles", "--exact")

    assert first.startswith("support viewer: made; given ")
    assert kept.splitlines() == [f"{name}: as it should be" for name in ROLES]
    assert exact["support operator"] == {"new": False, "given": [], "taken": ["jobs.add_job"]}


def test_the_command_refuses_in_a_sentence():
    Permission.objects.filter(codename="view_job", content_type__app_label=Job._meta.app_label).delete()

    assert error_of("createroles") == "the database has no permission jobs.view_job; run migrate first"


def test_a_host_without_groups_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(apps, "is_installed", lambda name: name != "django.contrib.auth")

    with pytest.raises(RolesUnavailable, match=r"django\.contrib\.auth"):
        make_roles(exact=False)
