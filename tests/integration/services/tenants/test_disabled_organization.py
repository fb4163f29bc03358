"""Disabling and enabling an organization; ``test_paused_and_disabled`` has what it does to claims."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.models import Organization
from jobs.services.reports.health import check_health
from jobs.services.tenants.api_keys import find_access
from jobs.services.tenants.projects import disable_organization, enable_organization
from tests.support.factories import make_job, make_key, make_organization, make_project

pytestmark = pytest.mark.django_db


def test_disabling_again_keeps_the_time_and_enabling_returns_whether_it_was_disabled():
    organization = make_organization()
    first = disable_organization(organization.name)

    again = disable_organization(organization.name)
    enabled = [enable_organization(organization.name) for _ in range(2)]

    assert first.disabled_at is not None
    assert abs(timezone.now() - first.disabled_at) < timedelta(minutes=1)
    assert again.disabled_at == first.disabled_at
    assert enabled == [True, False]
    assert Organization.objects.get(pk=organization.pk).disabled_at is None


def test_health_counts_its_jobs_as_paused_and_not_as_overdue():
    job = make_job()
    disable_organization(job.project.organization.name)

    health = check_health()

    assert health.oldest_overdue is None
    assert health.oldest_paused is not None
    assert health.oldest_paused.job_id == job.pk


def test_its_keys_are_refused_until_it_is_enabled():
    project = make_project()
    secret = make_key(organization=project.organization).secret
    another = make_key().secret
    disable_organization(project.organization.name)

    while_disabled = [find_access(key, project_key=project.key) for key in (secret, another)]
    enable_organization(project.organization.name)

    assert [access is None for access in while_disabled] == [True, False]
    assert find_access(secret, project_key=project.key)
