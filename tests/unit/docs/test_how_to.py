"""The how-to pages: their snippets run, and their commands exist with these options."""

import json
import os
import re
import shlex
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
from jobs.models import Job
from jobs.testing import make_job, run_due_jobs
from tests.support.admin_client import client_of, make_staff, text_of
from tests.support.api_client import Api
from tests.support.doc_pages import PAGES, commands, load, settings_of, snippet
from tests.support.factories import make_project, make_running_job
from tests.support.processes import run_python
from tests.support.reference_table import add, create_table

OF_A_MIGRATION: Final = ("CreateModel", "AddField", "AddIndex", "AddConstraint", "AlterModelOptions", "RemoveIndex")

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("page", "line"), sorted(set(commands())))
def test_a_command_on_a_page_exists_and_has_these_options(page: str, line: str):
    name, *options = shlex.split(line)
    parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
    parser.allow_abbrev = False

    if options:
        parser.parse_args(options)  # exits at an unknown option


@pytest.fixture
def shop_token(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A project whose users send a token of the shop's own; needs no table of tokens."""
    project = make_project()
    user = SimpleNamespace(pk=7, organization=project.organization)

    def authenticate(self: Any, request: Any) -> Any:
        return (user, "token") if request.headers.get("Authorization") == "Token good" else None

    monkeypatch.setattr(TokenAuthentication, "authenticate", authenticate)
    return project


def status_of_list(key: str, authorization: str) -> int:
    return Client().get(f"/public/{key}/jobs", headers={"Authorization": authorization}).status_code


def test_a_login_of_the_host_opens_the_api_also_beside_api_keys(
    api: Api, shop_token: Any, monkeypatch: pytest.MonkeyPatch
):
    login = load("access", "shop/login.py", monkeypatch)
    body = {"action": "touch_publicly", "referenceId": "x"}
    jobs = f"/public/{shop_token.key}/jobs"

    with override_settings(**settings_of("access", "settings.py: login")):
        made = Client().post(jobs, body, content_type="application/json", headers={"Authorization": "Token good"})
        refused = Client().get(jobs)
    load("access", "shop/both.py", monkeypatch, login=login)
    with override_settings(JOBS={"AUTHENTICATION": "shop.both.KeyOrLogin"}):
        by_token = status_of_list(shop_token.key, "Token good")
        by_key, by_neither = (status_of_list(api.project.key, f"Bearer {key}") for key in (api.secret, "jsk_x"))

    assert (made.status_code, refused.status_code) == (201, 401)
    assert refused.headers["WWW-Authenticate"] == "Token"
    assert Job.objects.get().events.get().actor == "user:7"
    assert (by_token, by_key, by_neither) == (200, 200, 401)


def test_a_permission_class_of_the_host_forbids_a_cancel_and_a_throttle_class_replaces_the_limit(
    api: Api, monkeypatch: pytest.MonkeyPatch
):
    cache.clear()
    load("access", "shop/permissions.py", monkeypatch)
    job = make_job("touch", project=api.project)

    with override_settings(**settings_of("access", "settings.py: permission")):
        cancelled, listed = api.delete(f"/jobs/{job.pk}"), api.get("/jobs")
        erased = api.delete("/users/mehdi@example.com")
    throttles = load("access", "shop/throttles.py", monkeypatch)
    monkeypatch.setattr(throttles.PerOrganization, "rate", "2/hour")
    with override_settings(**settings_of("access", "settings.py: throttle")):
        answers = [api.get("/jobs") for _ in range(3)]

    assert (cancelled.status_code, cancelled.json()["code"]) == (403, "forbidden")
    assert (listed.status_code, erased.status_code) == (200, 200)
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert "RateLimit" not in answers[0].headers


def test_a_function_of_the_host_finds_the_project(api: Api, monkeypatch: pytest.MonkeyPatch):
    load("access", "shop/projects.py", monkeypatch)
    foreign = make_project(name="foreign")
    api.project.name = "web-shop"
    api.project.save()
    names = ("web-shop", "foreign", foreign.key, "nowhere")

    with override_settings(**settings_of("access", "settings.py: find_project")):
        statuses = [status_of_list(name, f"Bearer {api.secret}") for name in names]

    assert statuses == [200, 404, 404, 404]


# Unfold itself is in the browser: tests/system/browser/test_themes.py.
def test_the_page_of_a_project_of_its_own_takes_any_base(monkeypatch: pytest.MonkeyPatch):
    models = ModuleType("shop.models")
    vars(models).update(Project=get_project_model())
    site = admin.AdminSite()
    monkeypatch.setattr(admin.sites, "site", site)

    load("theme", "shop/admin.py: its own project", monkeypatch, models=models)

    (page,) = site._registry.values()
    assert isinstance(page, import_module("unfold.admin").ModelAdmin)
    assert site.check(None) == []


def test_a_site_of_its_own_shows_the_jobs_and_links_to_itself(monkeypatch: pytest.MonkeyPatch):
    support = load("theme", "shop/sites.py", monkeypatch).support
    urls = ModuleType("tests.support_urls")
    vars(urls)["urlpatterns"] = [path("support/", support.urls)]
    job = make_running_job()

    with override_settings(ROOT_URLCONF=urls):
        client = client_of(make_staff(superuser=True))
        pages = [client.get(f"/support/jobs/job/{page}") for page in ("", f"{job.pk}/change/", "overview/", "add/")]

    assert [page.status_code for page in pages] == [200, 200, 200, 200]
    assert not any('href="/admin/' in text_of(page) for page in pages)


def test_logs_have_the_request_id_and_mask_the_user():
    program = (
        snippet("production", "settings.py: logging")
        + "import logging.config\nlogging.config.dictConfig(LOGGING)\n"
        + 'logging.getLogger("django.request").warning("Not Found: %s", "/public/p/users/mehdi@example.com")\n'
    )

    done = run_python("-c", program, settings="")

    assert re.search(r"WARNING django.request request=- Not Found: /public/p/users/\*\*\*$", done.stderr.strip())
    assert len(done.stderr.splitlines()) == 1


def test_sentry_gets_events_without_what_an_address_names():
    pytest.importorskip("sentry_sdk", reason="the package sentry-sdk is not here")
    sentry = snippet("production", "settings.py: sentry")
    program = (
        f"import os, sentry_sdk\n{sentry}\n"
        "mask = sentry_sdk.get_client().options['before_send']\n"
        "request = {'url': 'https://x/public/p/users/a@b', 'query_string': 'q=a%40b&p=1', 'data': {'reason': 'a@b'}}\n"
        "print(mask({'level': 'error', 'request': request, 'exception': {'values': ['/?q=a@b']}}, {}))"
    )

    done = run_python("-c", program, settings="", SENTRY_DSN="http://key@127.0.0.1:9/1")

    request = "{'url': 'https://x/public/p/users/***', 'query_string': 'q=***&p=1'}"
    event = f"{{'level': 'error', 'request': {request}, 'exception': {{'values': ['/?q=***']}}}}"
    assert done.stdout == f"{event}\n", done.stderr


def test_the_settings_for_pgbouncer_keep_nothing_in_a_session_and_those_of_an_import_add_a_database(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setitem(os.environ, "DATABASE_PASSWORD", "x")
    monkeypatch.setitem(os.environ, "REFERENCE_PASSWORD", "x")

    pooled = ConnectionHandler(settings_of("pgbouncer", "settings.py", os=os)["DATABASES"])["default"]
    both = ConnectionHandler(settings_of("import", "settings.py", os=os, DATABASES={"default": {}})["DATABASES"])

    sent = pooled.get_connection_params()
    assert (sent["port"], sent["prepare_threshold"]) == (6432, None)
    assert "options" not in sent
    assert pooled.settings_dict["DISABLE_SERVER_SIDE_CURSORS"] is True
    assert both["reference"].vendor == "postgresql"


def test_migrations_keep_old_code_running_and_the_page_names_those_that_build_indexes_on_jobs():
    names = sorted(file.stem for root in migrations_path for file in Path(root).glob("0*.py"))
    building = set()

    # Those after the first release change tables which may hold rows.
    for name in [name for name in names if name > "0003"]:
        for operation in import_module(f"jobs.migrations.{name}").Migration.operations:
            kind = type(operation).__name__
            if kind == "AlterField":  # choices and Django's cascade, which are not in the database
                cascade = name == "0019_project_cascade" and operation.name == "project"
                assert operation.field.choices or cascade, (name, operation.name)
            elif kind == "RunPython":  # old workers must be stopped before it
                assert f"`{name[:4]}`" in PAGES["upgrade"].read_text()
            else:
                assert kind in OF_A_MIGRATION, (name, kind)
            if isinstance(operation, AddField):
                assert operation.field.null or operation.field.has_db_default(), (name, operation.name)
            if kind in ("AddIndex", "AddConstraint") and operation.model_name == "job":
                building.add(name[:4])

    (sentence,) = re.findall(r"build indexes on `jobs_job`: (.*?)\. ", PAGES["upgrade"].read_text(), re.DOTALL)
    assert set(re.findall(r"\b00[0-9]{2}\b", sentence)) == building
    assert re.search(r"0006\s\(six of them\)", sentence)


def test_an_action_that_was_removed_fails_the_waiting_jobs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(actions, "_registry", {})
    load("upgrade", "shop/job_actions.py", monkeypatch)
    make_job("archive_invoices")

    (job,) = run_due_jobs()

    assert (job.status, job.errors) == ("failed", "Invoices are archived by themselves now.")


def test_the_commands_of_the_page_import_the_jobs_of_the_reference_service(capsys: pytest.CaptureFixture[str]):
    add(create_table("jobs"), 3452)
    project = make_project()
    lines = [shlex.split(line) for page, line in commands() if page == "import" and line.startswith("importjobs")]
    ours = {"reference": "default", "1=3sWXSsqHgSKnE87YkNJK": f"1={project.key}"}

    counts = []
    for line in [line for line in lines if len(line) > 1]:
        call_command(*[ours.get(word, word) for word in line], "--json")
        counts.append((json.loads(capsys.readouterr().out)["imported"], Job.objects.filter(pk=3452).count()))

    assert counts == [(1, 0), (1, 1)]  # the dry run, then the import
