import re

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from jobs import get_project_model
from jobs.exceptions import InvalidField, ProjectNotFound
from jobs.models import Organization, Project, make_project_key
from jobs.services.tenants.projects import create_project, get_organization, get_project, public_id_of
from tests.support.factories import make_organization, make_project


def test_a_project_key_is_20_letters_and_digits():
    keys = {make_project_key() for _ in range(200)}

    assert len(keys) == 200
    assert all(re.fullmatch(r"[0-9A-Za-z]{20}", key) for key in keys)


@pytest.mark.parametrize("label", ["nowhere.Project", "jobs", "jobs.Nothing", "a.b.c"])
def test_a_setting_that_names_no_model_is_named(label: str):
    with override_settings(JOBS_PROJECT_MODEL=label), pytest.raises(ImproperlyConfigured, match=re.escape(label)):
        get_project_model()


@pytest.mark.django_db
def test_projects_are_found_by_key_within_their_organization_and_have_an_integer_as_public_id():
    project = make_project()

    assert get_project(project.key, organization=project.organization) == project
    assert isinstance(public_id_of(project), int)
    with pytest.raises(ProjectNotFound):
        get_project(project.key, organization=make_organization())


@pytest.mark.django_db
@pytest.mark.skipif(get_project_model() is not Project, reason="the host has a Project of its own")
def test_a_project_is_created_once_under_a_name():
    project = create_project("Shop", organization="Acme")

    assert isinstance(project, Project)
    assert project.organization == get_organization("Acme")
    with pytest.raises(InvalidField, match="^name: Acme has a project"):
        create_project("Shop", organization="Acme")
    assert create_project("Shop", organization="Other").pk != project.pk


@pytest.mark.django_db
def test_an_unknown_organization_is_refused():
    with pytest.raises(InvalidField, match="^organization: "):
        get_organization("Nobody")
    assert not Organization.objects.exists()
