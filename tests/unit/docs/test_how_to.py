"""The how-to pages: their snippets run, and their commands exist with these options."""

import json
import os
import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Final

import pytest
from django.contrib import admin
from django.core.cache import cache
from django.core.management import call_command, get_commands, load_command_class
from django.db.migrations.operations.fields import AddField
from django.db.utils import ConnectionHandler
from django.test import Client, override_settings
from django.urls import path
from rest_framework.authentication import TokenAuthentication

from jobs import actions, get_project_model
from jobs.migrations import __path__ as migrations_path
from jobs.models import ApiKey, Job, Organization, Pause
from jobs.testing import make_job, run_due_jobs
from tests.support.admin_client import client_of, make_staff, text_of
from tests.support.api_client import Api
from tests.support.doc_pages import PAGES, commands, load, settings_of, snippet
from tests.support.factories import make_project, make_running_job
from tests.support.reference_table import add, create_table
from tests.support.source import ROOT

OF_A_MIGRATION: Final = ("CreateModel", "AddField", "AddIndex", "AddConstraint", "AlterModelOptions", "RemoveIndex")

pytestmark = pytest.mark.django_db


# ---------------------------------------------------------------- all pages


@pytest.mark.parametrize(("page", "line"), sorted(set(commands())))
def test_every_command_on_the_pages_is_there_with_its_options(page: str, line: str):
    name, *options = shlex.split(line)

    command = load_command_class(get_commands()[name], name)

    parser = command.create_parser("manage.py", name)
    parser.allow_abbrev = False
    if options:
        parser.parse_args(options)  # it exits where it does not know one


# ---------------------------------------------------------------- access


@pytest.fixture
def shop_token(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A project, and a token that the shop's own users send; no token table is needed for it."""
    project = make_project()
    user = SimpleNamespace(pk=7, organization=project.organization)

    def authenticate(self: Any, request: Any) -> Any:
        return (user, "token") if request.headers.get("Authorization") == "Token good" else None

    monkeypatch.setattr(TokenAuthentication, "authenticate", authenticate)
    return project


def list_jobs(project: Any, authorization: str) -> int:
    return Client().get(f"/public/{project.key}/jobs", headers={"Authorization": authorization}).status_code


def test_a_login_of_the_host_s_own_opens_the_api(shop_token: Any, monkeypatch: pytest.MonkeyPatch):
    load("access", "shop/login.py", monkeypatch)
    body = {"action": "touch_publicly", "referenceId": "x"}

    with override_settings(**settings_of("access", "settings.py: login")):
        jobs = f"/public/{shop_token.key}/jobs"
        made = Client().post(jobs, body, content_type="application/json", headers={"Authorization": "Token good"})
        refused = Client().get(jobs)

    assert (made.status_code, refused.status_code) == (201, 401)
    assert refused.headers["WWW-Authenticate"] == "Token"
    assert Job.objects.get().events.get().actor == "user:7"


def test_a_login_may_stand_beside_api_keys(api: Api, shop_token: Any, monkeypatch: pytest.MonkeyPatch):
    login = load("access", "shop/login.py", monkeypatch)
    load("access", "shop/both.py", monkeypatch, login=login)

    with override_settings(JOBS={"AUTHENTICATION": "shop.both.KeyOrLogin"}):
        by_token, by_key = list_jobs(shop_token, "Token good"), list_jobs(api.project, f"Bearer {api.secret}")
        by_neither = list_jobs(api.project, "Bearer jsk_x")

    assert (by_token, by_key, by_neither) == (200, 200, 401)


def test_a_permission_of_the_host_s_own_forbids_what_it_says(api: Api, monkeypatch: pytest.MonkeyPatch):
    load("access", "shop/permissions.py", monkeypatch)
    job = make_job("touch", project=api.project)

    with override_settings(**settings_of("access", "settings.py: permission")):
        cancelled, listed = api.delete(f"/jobs/{job.pk}"), api.get("/jobs")
        erased = api.delete("/users/mehdi@example.com")

    assert (cancelled.status_code, cancelled.json()["code"]) == (403, "forbidden")
    assert (listed.status_code, erased.status_code) == (200, 200)


def test_a_throttle_of_the_host_s_own_counts_by_its_measure(api: Api, monkeypatch: pytest.MonkeyPatch):
    cache.clear()
    module = load("access", "shop/throttles.py", monkeypatch)
    monkeypatch.setattr(module.PerOrganization, "rate", "2/hour")

    with override_settings(**settings_of("access", "settings.py: throttle")):
        answers = [api.get("/jobs") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert "RateLimit" not in answers[0].headers


def test_a_project_is_found_by_what_the_host_says(api: Api, monkeypatch: pytest.MonkeyPatch):
    load("access", "shop/projects.py", monkeypatch)
    foreign = make_project(name="foreign")
    api.project.name = "web-shop"
    api.project.save()
    headers = {"Authorization": f"Bearer {api.secret}"}

    with override_settings(**settings_of("access", "settings.py: find_project")):
        statuses = [
            Client().get(f"/public/{name}/jobs", headers=headers).status_code
            for name in ("web-shop", "foreign", foreign.key, "nowhere")
        ]

    assert statuses == [200, 404, 404, 404]


# ---------------------------------------------------------------- theme


def test_all_pages_can_stand_on_a_theme(monkeypatch: pytest.MonkeyPatch):
    models, theme = ModuleType("shop.models"), ModuleType("unfold.admin")
    vars(models).update(Project=get_project_model())
    vars(theme).update(ModelAdmin=type("ThemeAdmin", (admin.ModelAdmin,), {}))
    for module in (ModuleType("unfold"), theme):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    site = admin.AdminSite()
    monkeypatch.setattr(admin.sites, "site", site)

    load("theme", "shop/admin.py", monkeypatch, models=models)

    assert set(site._registry) == {Job, ApiKey, Organization, Pause, get_project_model()}
    assert all(isinstance(page, theme.ModelAdmin) for page in site._registry.values())
    assert site.check(None) == []
    assert settings_of("theme", "settings.py") == {"JOBS": {"ADMIN_REGISTER": False}}


def test_a_site_may_show_jobs_alone(monkeypatch: pytest.MonkeyPatch):
    support = load("theme", "shop/sites.py", monkeypatch).support
    urls = ModuleType("tests.support_urls")
    vars(urls)["urlpatterns"] = [path("support/", support.urls)]
    job = make_running_job()

    with override_settings(ROOT_URLCONF=urls):
        client = client_of(make_staff(superuser=True))
        pages = [client.get(f"/support/jobs/job/{page}") for page in ("", f"{job.pk}/change/", "overview/", "add/")]

    assert [page.status_code for page in pages] == [200, 200, 200, 200]
    assert not any('href="/admin/' in text_of(page) for page in pages)


# ---------------------------------------------------------------- production


def test_logs_name_the_request_and_nobody():
    program = (
        snippet("production", "settings.py: logging")
        + "import logging.config\nlogging.config.dictConfig(LOGGING)\n"
        + 'logging.getLogger("django.request").warning("Not Found: %s", "/public/p/users/mehdi@example.com")\n'
    )

    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert re.search(r"WARNING django.request request=- Not Found: /public/p/users/\*\*\*$", done.stderr.strip())
    assert len(done.stderr.splitlines()) == 1


# ---------------------------------------------------------------- pgbouncer


def test_the_settings_for_a_pooler_keep_nothing_in_a_session(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(os.environ, "DATABASE_PASSWORD", "x")
    databases = settings_of("pgbouncer", "settings.py", os=os)["DATABASES"]

    connection = ConnectionHandler(databases)["default"]

    sent = connection.get_connection_params()
    assert (sent["port"], sent["prepare_threshold"]) == (6432, None)
    assert "options" not in sent
    assert connection.settings_dict["DISABLE_SERVER_SIDE_CURSORS"] is True


# ---------------------------------------------------------------- upgrade


def operations_after_the_first_release() -> list[tuple[str, Any]]:
    """Return the operations of migrations that change tables which may hold rows."""
    names = sorted(file.stem for root in migrations_path for file in Path(root).glob("0*.py"))
    later = [name for name in names if name > "0003"]
    return [(name, each) for name in later for each in import_module(f"jobs.migrations.{name}").Migration.operations]


def test_migrations_let_old_code_go_on():
    for name, operation in operations_after_the_first_release():
        kind = type(operation).__name__
        if kind == "AlterField":  # of words in a list, which the database does not know
            assert operation.field.choices, (name, operation.name)
        elif kind == "RunPython":  # old workers must be stopped before it
            assert f"`{name[:4]}`" in PAGES["upgrade"].read_text()
        else:
            assert kind in OF_A_MIGRATION, (name, kind)
        if isinstance(operation, AddField):
            assert operation.field.null or operation.field.has_db_default(), (name, operation.name)


def test_the_migrations_that_take_long_on_a_large_table_are_named():
    building = {
        name.split("_")[0]
        for name, operation in operations_after_the_first_release()
        if type(operation).__name__ in ("AddIndex", "AddConstraint") and operation.model_name == "job"
    }

    (sentence,) = re.findall(r"build indexes on `jobs_job`: (.*?)\. ", PAGES["upgrade"].read_text(), re.DOTALL)

    assert set(re.findall(r"\b00[0-9]{2}\b", sentence)) == building
    assert re.search(r"0006\s\(six of them\)", sentence)


def test_an_action_that_is_gone_ends_what_still_waits(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(actions, "_registry", {})
    load("upgrade", "shop/job_actions.py", monkeypatch)
    make_job("archive_invoices")

    (job,) = run_due_jobs()

    assert (job.status, job.errors) == ("failed", "Invoices are archived by themselves now.")


def test_an_action_that_is_not_known_counts_failed_attempts(monkeypatch: pytest.MonkeyPatch):
    job = make_job("touch")
    monkeypatch.setattr(actions, "_registry", {})

    run_due_jobs()

    job.refresh_from_db()
    assert (job.status, job.failures) == ("scheduled", 1)
    assert job.due_at > job.start_at


# ---------------------------------------------------------------- import


def test_the_jobs_of_the_reference_service_come_over_by_the_commands_of_the_page(capsys: pytest.CaptureFixture[str]):
    add(create_table("jobs"), 3452)
    project = make_project()
    steps = [shlex.split(line) for page, line in commands() if page == "import" and line.startswith("importjobs")]
    ours = {"reference": "default", "1=3sWXSsqHgSKnE87YkNJK": f"1={project.key}"}

    counts = []
    for step in [step for step in steps if len(step) > 1]:
        call_command(*[ours.get(word, word) for word in step], "--json")
        counts.append((json.loads(capsys.readouterr().out)["imported"], Job.objects.filter(pk=3452).count()))

    assert counts == [(1, 0), (1, 1)]  # tried, then done


def test_another_database_can_be_named_beside_the_site_s_own(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(os.environ, "REFERENCE_PASSWORD", "x")

    databases = settings_of("import", "settings.py", os=os, DATABASES={"default": {}})["DATABASES"]

    assert ConnectionHandler(databases)["reference"].vendor == "postgresql"
