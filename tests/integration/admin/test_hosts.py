"""Hosts: pages of ours in a site and on a ``ModelAdmin`` of the host's own, and registered by nobody else."""

import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Final

import pytest
from django.contrib import admin
from django.core.exceptions import ImproperlyConfigured
from django.test import Client, override_settings
from django.urls import path

from jobs.admin import (
    ApiKeyAdminMixin,
    JobAdminMixin,
    OrganizationAdminMixin,
    PauseAdminMixin,
    ProjectJobsMixin,
    is_ours_to_register,
)
from jobs.models import ApiKey, Job, JobEvent, Organization, Pause
from jobs.services.tenants.projects import get_project_model
from tests.support.admin_client import client_of, make_staff, text_of
from tests.support.factories import LONG_AGO, make_key, make_project, make_running_job
from tests.support.source import ROOT

pytestmark = pytest.mark.django_db


class ThemeMixin:
    """What a theme mixes in."""

    theme = "dark"


class ThemeAdmin(ThemeMixin, admin.ModelAdmin):
    """What a theme asks hosts to derive their pages from."""

    list_fullwidth = True


OURS: Final[dict[Any, Any]] = {
    Job: JobAdminMixin,
    ApiKey: ApiKeyAdminMixin,
    Organization: OrganizationAdminMixin,
    Pause: PauseAdminMixin,
    get_project_model(): ProjectJobsMixin,
}
SITES: Final = {"ours-first": admin.AdminSite(name="ours-first"), "theme-first": admin.AdminSite(name="theme-first")}
for model, mixin in OURS.items():
    SITES["ours-first"].register(model, type("OursFirst", (mixin, ThemeAdmin), {"search_fields": ("name",)}))
    SITES["theme-first"].register(model, type("ThemeFirst", (ThemeMixin, mixin, admin.ModelAdmin), {}))

URLS: Final = ModuleType("tests.admin.host_urls")
vars(URLS)["urlpatterns"] = [path(f"{name}/", site.urls) for name, site in SITES.items()]


@pytest.fixture
def rows() -> dict[str, Any]:
    project = make_project()
    job = make_running_job(project=project)
    JobEvent.objects.create(job=job, at=LONG_AGO, what="claimed", to_status="running", attempt=1, actor="worker:a")
    label = get_project_model()._meta
    return {
        "jobs/job": job.pk,
        "jobs/apikey": make_key(organization=project.organization, project=project).key.pk,
        "jobs/organization": project.organization_id,
        "jobs/pause": Pause.objects.create(reason="x", created_at=LONG_AGO, created_by="system").pk,
        f"{label.app_label}/{label.model_name}": project.pk,
    }


@pytest.fixture
def client() -> Iterator[Client]:
    """A superuser's browser in which the addresses are those of the host's sites."""
    with override_settings(ROOT_URLCONF=URLS):
        yield client_of(make_staff(superuser=True))


@pytest.mark.parametrize("site", SITES)
def test_all_pages_work_on_a_host_s_own_admin_site_and_its_project_page_shows_jobs(
    site: str, client: Client, rows: dict[str, Any]
):
    pages = [f"/{site}/{model}/{page}" for model, pk in rows.items() for page in ("", "add/", f"{pk}/change/")]
    pages += [f"/{site}/{model}/{pk}/history/" for model, pk in rows.items()]

    answers = {page: client.get(page) for page in pages}

    assert {page: answer.status_code for page, answer in answers.items()} == dict.fromkeys(pages, 200)
    for answer in answers.values():
        assert 'href="/admin/' not in text_of(answer)
        assert f'href="/{site}/' in text_of(answer)
    model, pk = list(rows.items())[-1]
    running = f'href="/{site}/jobs/job/?project={pk}&amp;status=running">1</a>'
    assert running in text_of(answers[f"/{site}/{model}/{pk}/change/"])


@pytest.mark.parametrize("site", SITES)
def test_buttons_lead_back_to_the_same_site_and_nobody_edits_a_job(site: str, client: Client, rows: dict[str, Any]):
    for page in ("change", "delete"):
        assert client.post(f"/{site}/jobs/job/{rows['jobs/job']}/{page}/").status_code == 403

    for model, button in {"jobs/job": "cancel", "jobs/apikey": "revoke", "jobs/pause": "resume"}.items():
        answer = client.post(f"/{site}/{model}/{rows[model]}/{button}/")
        assert answer.url.startswith(f"/{site}/{model}/")


@pytest.mark.parametrize("mixin", OURS.values())
def test_a_class_that_names_model_admin_before_the_mixin_is_refused(mixin: Any):
    with pytest.raises(ImproperlyConfigured, match=f"Wrong must name {mixin.__name__} before its ModelAdmin"):
        type("Wrong", (ThemeAdmin, mixin), {})


@pytest.mark.parametrize(("given", "expected"), [({}, True), ({"ADMIN_REGISTER": False}, False), ({"X": 1}, True)])
def test_the_setting_switches_the_registration(given: dict[str, Any], expected: bool):
    with override_settings(JOBS=given):
        assert is_ours_to_register() is expected


@pytest.mark.parametrize(("setting", "registered"), [("", "True"), ("JOBS = {'ADMIN_REGISTER': False}", "False")])
def test_without_the_setting_nothing_is_registered(setting: str, registered: str):
    program = f"""
import django
from django.conf import settings
from tests import settings_swapped as host
values = {{name: getattr(host, name) for name in dir(host) if name.isupper() and name != "JOBS"}}
{setting or "JOBS = {}"}
settings.configure(**values, JOBS=JOBS)
django.setup()
from django.contrib import admin
from jobs.models import ApiKey, Job, Organization, Pause
print({{admin.site.is_registered(model) for model in (ApiKey, Job, Organization, Pause)}})
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60
    )

    assert done.stdout.strip() == f"{{{registered}}}", done.stderr
