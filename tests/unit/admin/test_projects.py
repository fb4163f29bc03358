"""Organizations and projects in the admin."""

from typing import Final

import pytest
from django.test import Client

from jobs.admin import projects
from jobs.admin.base.display import moment
from jobs.models import Organization, Project
from jobs.services.tenants.projects import disable_organization
from jobs.status import Status
from tests.support.admin_client import queries_of, text_of, url, with_permissions
from tests.support.concurrency import one_value, statements
from tests.support.execution import make_due_jobs
from tests.support.factories import make_job, make_key, make_organization, make_project, make_running_job

STAFF_MAY: Final = None

ours = pytest.mark.skipif(
    bool(Project._meta.swapped), reason="this host has a project model of its own, and its own admin"
)


def test_an_organization_can_be_added_and_renamed(client: Client):
    client.post(url("organization_add"), {"name": "Acme"})

    client.post(url("organization_change", Organization.objects.get(name="Acme").pk), {"name": "Acme Ltd"})

    assert Organization.objects.get().name == "Acme Ltd"


def test_an_organization_shows_since_when_it_is_disabled_and_no_form_changes_it(client: Client):
    organization = make_organization()
    disable_organization(organization.name)
    before = Organization.objects.get().disabled_at

    shown = text_of(client.get(url("organization_change", organization.pk)))
    client.post(url("organization_change", organization.pk), {"name": "Acme", "disabled_at_0": "", "disabled_at_1": ""})

    assert before is not None
    assert moment(before) in shown
    assert Organization.objects.get().disabled_at == before


@ours
def test_a_new_project_gets_a_key_that_no_form_sets(client: Client):
    form = text_of(client.get(url("project_add")))
    client.post(url("project_add"), {"organization": make_organization().pk, "name": "Shop", "key": "chosen"})

    project = Project.objects.get()
    assert "key" not in form.partition('id="project_form"')[2].partition("field-name")[0]
    assert len(project.key) == 20


@ours
def test_key_and_organization_of_a_project_cannot_be_changed(client: Client):
    project = make_project()
    sent = {"name": "New name", "key": "x" * 20, "organization": make_organization().pk}

    client.post(url("project_change", project.pk), sent)

    changed = Project.objects.get()
    assert changed.name == "New name"
    assert (changed.key, changed.organization_id) == (project.key, project.organization_id)
    assert project.key in text_of(client.get(url("project_change", project.pk)))


@ours
@pytest.mark.parametrize("term", ["Shop", "sho", "Acme"])
def test_projects_are_found_by_name_and_organization(client: Client, term: str):
    wanted = make_project(name="Shop", organization=make_organization(name="Acme"))
    make_project(name="Other", organization=make_organization(name="Others"))

    found = client.get(url("project_changelist"), {"q": term}).context["cl"].result_list

    assert [project.pk for project in found] == [wanted.pk]


@ours
def test_a_project_with_jobs_that_wait_or_run_cannot_be_deleted_and_its_jobs_are_not_loaded(client: Client):
    project = make_project()
    make_due_jobs(3, project=project)
    make_running_job(project=project)

    with statements() as sent:
        shown = client.get(url("project_delete", project.pk))
        client.post(url("project_delete", project.pk), {"post": "yes"})

    assert f"4 jobs of {project} that wait or run" in text_of(shown)
    assert Project.objects.filter(pk=project.pk).exists()
    about_jobs = [sql for sql in sent if 'FROM "jobs_job"' in sql]
    assert len(about_jobs) == 2
    assert all("COUNT(*)" in sql for sql in about_jobs)


@ours
def test_a_project_whose_jobs_have_ended_is_deleted_with_them_by_whoever_may_delete_it():
    project, other = make_project(), make_job(status=Status.COMPLETED)
    make_job(project=project, status=Status.FAILED)
    staff = with_permissions("view_project", "delete_project")

    shown = staff.get(url("project_delete", project.pk))
    staff.post(url("project_delete", project.pk), {"post": "yes"})

    assert shown.status_code == 200
    assert one_value("SELECT count(*) FROM jobs_project WHERE id = %s", project.pk) == 0
    assert one_value("SELECT min(id) FROM jobs_job") == one_value("SELECT max(id) FROM jobs_job") == other.pk


@ours
def test_a_project_with_more_jobs_than_a_request_should_delete_names_the_command(
    client: Client, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(projects, "MOST_JOBS", 2)
    project = make_project()
    for _ in range(3):
        make_job(project=project, status=Status.COMPLETED)

    shown = client.get(url("project_delete", project.pk))
    client.post(url("project_delete", project.pk), {"post": "yes"})

    assert f"more than 2: empty it by manage.py prunejobs --project {project.key} --now first" in text_of(shown)
    assert one_value("SELECT count(*) FROM jobs_job") == 3


@ours
def test_a_project_can_be_deleted_unless_it_has_api_keys(client: Client):
    with_key, project = make_project(), make_project()
    make_key(organization=with_key.organization, project=with_key)

    refused = client.post(url("project_delete", with_key.pk), {"post": "yes"})
    client.post(url("project_delete", project.pk), {"post": "yes"})

    assert refused.status_code == 403
    assert list(Project.objects.all()) == [with_key]


def test_an_organization_with_projects_cannot_be_deleted(client: Client):
    project = make_project()

    shown = client.get(url("organization_delete", project.organization_id))
    client.post(url("organization_delete", project.organization_id), {"post": "yes"})

    assert f"the projects of {project.organization}" in text_of(shown)
    assert Organization.objects.exists()


@ours
def test_the_project_page_shows_counts_the_oldest_due_job_and_failures_to_those_who_may_view_jobs(client: Client):
    project = make_project()
    late = make_job(project=project)
    errors = "<b>It</b> went wrong for M@example.com.\nSecond line."
    failed = make_job(project=project, status=Status.FAILED, errors=errors, reference_id="m@example.com")

    html = text_of(client.get(url("project_change", project.pk)))
    hidden = text_of(with_permissions("view_project").get(url("project_change", project.pk)))

    assert f'href="{url("job_changelist")}?project={project.pk}&amp;status=failed">1</a>' in html
    assert f'href="{url("job_change", late.pk)}"><time' in html
    assert f'href="{url("job_change", failed.pk)}">{failed.pk}</a>' in html
    assert "&lt;b&gt;It&lt;/b&gt; went wrong for m•••••.</bdi>" in html
    assert "Second line" not in html
    assert "m@example.com" not in html.lower()
    assert project.key in hidden
    assert "jobs-summary" not in hidden
    assert "went wrong" not in hidden


@ours
def test_list_and_page_take_the_same_number_of_queries_for_any_data(client: Client):
    project = make_project()

    def cost() -> int:
        for status in Status:
            make_job(project=project, status=status)
        make_project()
        return len(queries_of(client, url("project_changelist"), url("project_change", project.pk)))

    cost()

    assert cost() == cost()
