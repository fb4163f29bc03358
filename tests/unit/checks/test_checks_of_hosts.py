"""System checks about what a host has around the jobs: hooks, middleware, caches, workers, a changed project model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from django.core.checks import run_checks
from django.db import connection, models
from django.test import override_settings
from django.test.utils import isolate_apps
from django.utils import timezone

from jobs.checks import projects
from jobs.middleware import JsonErrors
from jobs.models import Job, Organization, Worker
from jobs.status import Status
from tests.support.concurrency import postgresql_only, sqlite_only
from tests.support.factories import make_job

pytestmark = pytest.mark.uses_database

OURS: Final = "jobs.middleware.JsonErrors"
CACHES: Final = "django.core.cache.backends"


class OurJsonErrors(JsonErrors):
    """A host's own, derived from ours."""


NO_CLASS: Final = "neither a class nor callable"


def found(id_: str, *, deploy: bool = False, database: str | None = "default") -> list[Any]:
    databases = [database] if database else []
    messages = run_checks(include_deployment_checks=deploy, databases=databases)
    return [message for message in messages if message.id == id_]


# ---------------------------------------------------------------- SQLite's write-ahead log


@sqlite_only
@pytest.mark.parametrize(
    ("command", "is_told"),
    [
        ("PRAGMA journal_mode=WAL;", False),
        ("PRAGMA foreign_keys=ON; pragma JOURNAL_MODE = 'wal'", False),
        ("PRAGMA journal_mode(WAL)", False),
        ("PRAGMA journal_mode=DELETE;", True),
        (None, True),
    ],
)
def test_sqlite_without_a_write_ahead_log_is_warned_of(
    command: str | None, is_told: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", {"init_command": command})
    monkeypatch.setitem(connection.settings_dict, "NAME", str(tmp_path / "none.sqlite3"))

    messages = found("jobs.W003", database=None)

    assert bool(messages) == is_told
    assert all("journal_mode=WAL" in message.hint for message in messages)


@sqlite_only
@pytest.mark.parametrize(("mode", "is_told"), [("WAL", False), ("DELETE", True)])
def test_a_file_that_remembers_its_write_ahead_log_needs_no_option(
    mode: str, is_told: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    path = tmp_path / "host.sqlite3"
    file = connection.Database.connect(path)
    file.execute(f"PRAGMA journal_mode={mode}")
    file.execute("CREATE TABLE something (id)")
    file.commit()
    file.close()
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", {})
    monkeypatch.setitem(connection.settings_dict, "NAME", path)

    assert bool(found("jobs.W003", database=None)) == is_told


@postgresql_only
def test_other_databases_have_logs_of_their_own():
    assert found("jobs.W003", database=None) == []


# ---------------------------------------------------------------- workers


def a_worker(kind: Worker.Kind = Worker.Kind.WORKER) -> None:
    Worker.objects.create(name="host:1:aaaa", kind=kind, started_at=timezone.now(), beat_at=timezone.now())


@pytest.mark.django_db
def test_before_deployment_a_host_without_any_worker_is_told():
    make_job(status=Status.SCHEDULED)

    (message,) = found("jobs.W004", deploy=True)

    assert "jobworker" in message.hint


@pytest.mark.django_db
def test_a_dispatcher_runs_no_job_and_is_no_worker():
    a_worker(Worker.Kind.DISPATCHER)

    assert len(found("jobs.W004", deploy=True)) == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    "sign",
    [
        a_worker,
        lambda: a_worker(Worker.Kind.ENGINE),
        lambda: make_job(status=Status.RUNNING),
        lambda: make_job(status=Status.COMPLETED),
        lambda: make_job(status=Status.FAILED),
    ],
    ids=["listed", "of an engine", "runs", "completed", "failed"],
)
def test_a_worker_was_seen_if_it_is_listed_or_if_a_job_got_beyond_waiting(sign: Callable[[], object]):
    sign()

    assert found("jobs.W004", deploy=True) == []


@pytest.mark.django_db
def test_no_worker_is_asked_for_in_development_or_without_a_database():
    assert found("jobs.W004") == []
    assert found("jobs.W004", deploy=True, database=None) == []


# ---------------------------------------------------------------- a changed project model


@pytest.mark.django_db
def test_the_project_model_that_was_migrated_passes():
    assert found("jobs.E008") == []


@pytest.mark.django_db
@isolate_apps("tests.support.hostapp")
def test_a_project_model_changed_after_the_first_migrate_is_refused(monkeypatch: pytest.MonkeyPatch):
    class Store(models.Model):  # noqa: DJ008 – of no interest
        organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
        key = models.CharField(max_length=20, unique=True)

        class Meta:
            app_label = "hostapp"

    migrated = Job._meta.get_field("project").related_model._meta.db_table
    monkeypatch.setattr(projects, "get_project_model", lambda: Store)

    (message,) = found("jobs.E008")

    assert repr(migrated) in message.msg
    assert "hostapp.Store" in message.msg
    assert "migrate jobs zero" in message.hint


@pytest.mark.django_db
def test_before_the_first_migrate_the_database_is_not_asked_for_what_it_lacks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(type(connection.introspection), "table_names", lambda *_, **__: ["django_migrations"])

    assert found("jobs.E008") == []
    assert found("jobs.W004", deploy=True) == []


# ---------------------------------------------------------------- middleware


@pytest.mark.parametrize(
    ("middleware", "is_told"),
    [
        ([OURS], False),
        (["django.middleware.common.CommonMiddleware", OURS], False),
        ([f"{__name__}.OurJsonErrors"], False),
        (["django.middleware.common.CommonMiddleware"], True),
        (["nowhere.Middleware"], True),
        ([], True),
    ],
)
def test_an_api_without_its_middleware_is_warned_of(middleware: list[str], is_told: bool):
    with override_settings(MIDDLEWARE=middleware):
        messages = [message for message in run_checks(tags=["jobs"], databases=[]) if message.id == "jobs.W005"]

    assert bool(messages) == is_told
    assert all(OURS in message.hint for message in messages)


@override_settings(MIDDLEWARE=[], ROOT_URLCONF="django.contrib.auth.urls")
def test_a_host_that_mounts_no_api_needs_no_middleware():
    assert [message for message in run_checks(tags=["jobs"], databases=[]) if message.id == "jobs.W005"] == []


# ---------------------------------------------------------------- caches


@pytest.mark.parametrize(
    ("backend", "is_told"),
    [
        ("filebased.FileBasedCache", True),
        ("db.DatabaseCache", True),
        ("locmem.LocMemCache", False),
        ("dummy.DummyCache", False),
        ("redis.RedisCache", False),
    ],
)
def test_before_deployment_a_cache_that_loses_counts_is_told(backend: str, is_told: bool, tmp_path: Path):
    location = "redis://127.0.0.1" if "redis" in backend else str(tmp_path)
    counting = {"BACKEND": f"{CACHES}.{backend}", "LOCATION": location}

    with override_settings(CACHES={"default": counting}):
        messages = [
            m for m in run_checks(tags=["jobs"], databases=[], include_deployment_checks=True) if m.id == "jobs.W006"
        ]
        in_development = [m for m in run_checks(tags=["jobs"], databases=[]) if m.id == "jobs.W006"]

    assert bool(messages) == is_told
    assert in_development == []


# ---------------------------------------------------------------- actions and hooks


@pytest.mark.parametrize(
    ("name", "told"),
    [("delete_user_data", ""), ("no_such_action", "no registered action"), ("touch", "not public")],
)
def test_an_erase_action_that_integrators_cannot_reach_is_refused(name: str, told: str):
    with override_settings(JOBS={"USER_ERASE_ACTION": name}):
        messages = [message for message in run_checks(tags=["jobs"], databases=[]) if message.id == "jobs.E009"]

    assert bool(messages) == bool(told)
    assert all(told in message.msg and name in message.msg for message in messages)


def test_a_host_that_names_no_erase_action_needs_none(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("jobs.checks.settings.find_action", lambda name: None)

    assert [message for message in run_checks(tags=["jobs"], databases=[]) if message.id == "jobs.E009"] == []


@pytest.mark.parametrize("name", ["AUTHENTICATION", "PERMISSION", "THROTTLE", "FIND_PROJECT"])
@pytest.mark.parametrize(
    ("path", "told"), [("nowhere.Hook", "nowhere"), (f"{__name__}.NO_CLASS", f"{__name__}.NO_CLASS is no ")]
)
def test_a_hook_that_cannot_be_loaded_or_is_of_another_kind_is_refused(name: str, path: str, told: str):
    with override_settings(JOBS={name: path}):
        (message,) = [message for message in run_checks(tags=["jobs"], databases=[]) if message.id == "jobs.E010"]

    assert repr(name) in message.msg
    assert told in message.msg or "cannot be called" in message.msg
