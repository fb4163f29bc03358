"""The page of an organization: its jobs by project, and the button that disables it."""

from dataclasses import replace
from typing import Any, Final
from unittest.mock import Mock

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from jobs.admin import organizations
from jobs.exceptions import InvalidField
from jobs.models import Organization
from jobs.services.reports import summaries
from jobs.services.tenants.api_keys import find_access
from jobs.services.tenants.projects import disable_organization
from jobs.status import Status
from tests.support.admin_client import messages_of, queries_of, text_of, url, with_permissions
from tests.support.concurrency import statements
from tests.support.factories import make_job, make_key, make_organization, make_project

STAFF_MAY: Final = ("view_organization", "disable_organization", "view_job")


def is_disabled(organization: Organization) -> bool:
    return Organization.objects.get(pk=organization.pk).disabled_at is not None


@pytest.mark.parametrize(
    ("verb", "message", "again"),
    [
        (
            "disable",
            "Disabled: its API keys are refused from now on, and no job of its projects is started.",
            "The organization was disabled before.",
        ),
        (
            "enable",
            "Enabled: its API keys work again, and its jobs go on.",
            "The organization was not disabled.",
        ),
    ],
)
def test_a_button_disables_or_enables_the_organization_and_its_keys_once(
    client: Client, user: Any, verb: str, message: str, again: str
):
    made = make_key()
    organization = made.key.organization
    if verb == "enable":
        disable_organization(organization.name)

    response = client.post(url(f"organization_{verb}", organization.pk))

    assert is_disabled(organization) == (verb == "disable")
    assert (find_access(made.secret, project_key="x") is None) == (verb == "disable")
    assert response.url == url("organization_change", organization.pk)
    assert messages_of(response) == [message]
    before = Organization.objects.get().disabled_at
    assert messages_of(client.post(url(f"organization_{verb}", organization.pk)))[-1] == again
    assert Organization.objects.get().disabled_at == before
    entry = LogEntry.objects.get()
    logged = (entry.user_id, entry.object_id, entry.get_change_message())
    assert logged == (user.pk, str(organization.pk), message[: len(verb) + 1] + ".")


def test_the_page_has_only_the_button_that_applies(client: Client):
    organization = make_organization()
    enabled = text_of(client.get(url("organization_change", organization.pk)))
    disable_organization(organization.name)

    disabled = text_of(client.get(url("organization_change", organization.pk)))

    verbs = ("disable", "enable")
    buttons = [
        [f'action="{url(f"organization_{verb}", organization.pk)}"' in page for verb in verbs]
        for page in (enabled, disabled)
    ]
    assert buttons == [[True, False], [False, True]]
    assert "API keys are refused (401)" in enabled
    assert "This organization is disabled" in disabled


def test_an_organization_renamed_meanwhile_is_reported_and_not_logged(client: Client, monkeypatch: pytest.MonkeyPatch):
    refuse = Mock(side_effect=InvalidField("organization", "there is none"))
    switch = organizations.SWITCHES["disable"]
    monkeypatch.setitem(organizations.SWITCHES, "disable", replace(switch, service=refuse))

    response = client.post(url("organization_disable", make_organization().pk))

    assert messages_of(response) == ["Nothing was changed: the organization has another name by now. Try again."]
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("verb", ["disable", "enable"])
@pytest.mark.parametrize("permissions", [(), ("view_organization", "change_organization"), ("disable_organization",)])
def test_disabling_needs_a_permission_of_its_own(verb: str, permissions: tuple[str, ...]):
    client = with_permissions(*permissions)
    organization = make_organization()

    page = text_of(client.get(url("organization_change", organization.pk)))
    response = client.post(url(f"organization_{verb}", organization.pk))

    assert response.status_code == 403
    assert "jobs-disable" not in page
    assert not is_disabled(organization)


def test_the_page_counts_the_jobs_of_each_project_and_links_to_them_for_those_who_may_view_jobs(client: Client):
    project = make_project(name="<script>alert(1)</script>")
    late = make_job(project=project)
    failed = make_job(project=project, status=Status.FAILED)
    address = url("organization_change", project.organization_id)

    html = text_of(client.get(address))

    assert f'href="{url("job_changelist")}?project={project.pk}"' in html
    assert f'href="{url("job_changelist")}?project={project.pk}&amp;status=failed">1</a>' in html
    assert f'href="{url("job_change", late.pk)}"><time' in html
    assert f'href="{url("job_change", failed.pk)}">job {failed.pk}</a>' in html
    assert "<script>alert" not in html
    assert "jobs-summary" in html
    assert "jobs-summary" not in text_of(with_permissions("view_organization").get(address))


def test_a_count_above_the_bound_ends_with_a_plus(client: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(summaries, "MOST_COUNTED", 2)
    monkeypatch.setattr("jobs.admin.base.job_summary.MOST_COUNTED", 2)
    project = make_project()
    for _ in range(3):
        make_job(project=project)

    assert ">2+</a>" in text_of(client.get(url("organization_change", project.organization_id)))


def test_an_organization_without_projects_says_so(client: Client):
    assert "It has no projects yet." in text_of(client.get(url("organization_change", make_organization().pk)))


def test_page_and_list_take_the_same_number_of_queries_for_any_data(client: Client):
    organization = make_organization()

    def cost() -> int:
        for status in Status:
            make_job(project=make_project(organization=organization), status=status)
        return len(queries_of(client, url("organization_change", organization.pk), url("organization_changelist")))

    cost()

    assert cost() == cost()


def test_the_list_shows_since_when_organizations_are_disabled_and_counts_no_jobs(client: Client):
    organization = make_organization()
    disable_organization(organization.name)
    make_job(project=make_project(organization=organization))

    with statements() as sent:
        html = text_of(client.get(url("organization_changelist")))

    since = Organization.objects.get().disabled_at
    assert since is not None
    assert since.isoformat() in html
    assert not any("jobs_job" in sql for sql in sent)
