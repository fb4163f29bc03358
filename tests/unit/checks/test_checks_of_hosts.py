"""The checks of hooks, middleware, caches, workers, and of a changed project model."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from django.db import connection, models
from django.test import override_settings
from django.test.utils import isolate_apps

from jobs.checks import projects
from jobs.middleware import JsonErrors
from jobs.models import Job, Organization, Worker
from jobs.status import Status
from tests.support.checks import messages_of
from tests.support.concurrency import postgresql_only, sqlite_only
from tests.support.factories import make_job, make_worker

pytestmark = pytest.mark.django_db

OURS: Final = "jobs.middleware.JsonErrors"
CACHES: Final = "django.core.cache.backends"
DEFAULT: Final = ("default",)


class OurJsonErrors(JsonErrors):
    """A host's own, derived from ours."""


NO_CLASS: Final = "neither a class nor callable"


@sqlite_only
@pytest.mark.parametrize(
    ("command", "mode", "is_warned_of"),
    [
        ("PRAGMA journal_mode=WAL;", None, False),
        ("PRAGMA foreign_keys=ON; pragma JOURNAL_MODE = 'wal'", None, False),
        ("PRAGMA journal_mode(WAL)", None, False),
        ("PRAGMA journal_mode=DELETE;", None, True),
        (None, "WAL", False),
        (None, "DELETE", True),
        (None, None, True),
    ],
)
def test_sqlite_without_a_write_ahead_log_as_option_or_in_its_file_is_warned_of(
    command: str | None, mode: str | None, is_warned_of: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    path = tmp_path / "host.sqlite3"
    if mode:
        file = connection.Database.connect(path)
        file.execute(f"PRAGMA journal_mode={mode}")
        file.execute("CREATE TABLE something (id)")
        file.commit()
        file.close()
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", {} if mode else {"init_command": command})
    monkeypatch.setitem(connection.settings_dict, "NAME", str(path))

    messages = messages_of("jobs.W003")

    assert bool(messages) == is_warned_of
    assert all("journal_mode=WAL" in message.hint for message in messages)


@postgresql_only
def test_postgresql_is_not_asked_for_wal():
    assert messages_of("jobs.W003") == []


@pytest.mark.parametrize(
    "make", [make_job, lambda: make_worker(kind=Worker.Kind.DISPATCHER)], ids=["a waiting job", "a dispatcher"]
)
def test_before_deployment_a_host_without_any_worker_is_warned_of(make: Callable[[], object]):
    make()

    (message,) = messages_of("jobs.W004", deploy=True, databases=DEFAULT)

    assert "jobworker" in message.hint


@pytest.mark.parametrize(
    "sign",
    [
        make_worker,
        lambda: make_worker(kind=Worker.Kind.ENGINE),
        lambda: make_job(status=Status.RUNNING),
        lambda: make_job(status=Status.COMPLETED),
        lambda: make_job(status=Status.FAILED),
    ],
    ids=["listed", "of an engine", "runs", "completed", "failed"],
)
def test_a_listed_worker_or_a_job_that_was_begun_shows_that_workers_run(sign: Callable[[], object]):
    sign()

    assert messages_of("jobs.W004", deploy=True, databases=DEFAULT) == []


def test_no_worker_is_needed_in_development_or_without_a_database():
    assert messages_of("jobs.W004", databases=DEFAULT) == []
    assert messages_of("jobs.W004", deploy=True) == []


def test_the_project_model_that_was_migrated_passes():
    assert messages_of("jobs.E008", databases=DEFAULT) == []


@isolate_apps("tests.support.hostapp")
def test_a_project_model_changed_after_the_first_migrate_is_refused(monkeypatch: pytest.MonkeyPatch):
    class Store(models.Model):  # noqa: DJ008 – never shown
        organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
        key = models.CharField(max_length=20, unique=True)

        class Meta:
            app_label = "hostapp"

    migrated = Job._meta.get_field("project").related_model._meta.db_table
    monkeypatch.setattr(projects, "get_project_model", lambda: Store)

    (message,) = messages_of("jobs.E008", databases=DEFAULT)

    assert repr(migrated) in message.msg
    assert "hostapp.Store" in message.msg
    assert "migrate jobs zero" in message.hint


def test_before_the_first_migrate_no_missing_table_is_queried(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(type(connection.introspection), "table_names", lambda *_, **__: ["django_migrations"])

    assert messages_of("jobs.E008", databases=DEFAULT) == []
    assert messages_of("jobs.W004", deploy=True, databases=DEFAULT) == []


@pytest.mark.parametrize(
    ("middleware", "is_warned_of"),
    [
        ([OURS], False),
        (["django.middleware.common.CommonMiddleware", OURS], False),
        ([f"{__name__}.OurJsonErrors"], False),
        ([OURS, "django.middleware.security.SecurityMiddleware"], False),
        (["django.middleware.security.SecurityMiddleware", OURS], True),  # it would redirect to HTTPS first
        (["django.middleware.common.CommonMiddleware"], True),
        (["nowhere.Middleware"], True),
        ([], True),
    ],
)
def test_an_api_without_its_middleware_is_warned_of(middleware: list[str], is_warned_of: bool):
    with override_settings(MIDDLEWARE=middleware):
        messages = messages_of("jobs.W005")

    assert bool(messages) == is_warned_of
    assert all(OURS in message.hint for message in messages)


@override_settings(MIDDLEWARE=[], ROOT_URLCONF="django.contrib.auth.urls")
def test_a_host_that_mounts_no_api_needs_no_middleware():
    assert messages_of("jobs.W005") == []


@pytest.mark.parametrize(
    ("backend", "is_warned_of"),
    [
        ("filebased.FileBasedCache", True),
        ("db.DatabaseCache", True),
        ("locmem.LocMemCache", False),
        ("dummy.DummyCache", False),
        ("redis.RedisCache", False),
    ],
)
def test_before_deployment_a_cache_that_loses_counts_is_warned_of(backend: str, is_warned_of: bool, tmp_path: Path):
    location = "redis://127.0.0.1" if "redis" in backend else str(tmp_path)
    counting = {"BACKEND": f"{CACHES}.{backend}", "LOCATION": location}

    with override_settings(CACHES={"default": counting}):
        messages = messages_of("jobs.W006", deploy=True)
        in_development = messages_of("jobs.W006")

    assert bool(messages) == is_warned_of
    assert in_development == []


@pytest.mark.parametrize(
    ("name", "told"), [("delete_user_data", ""), ("no_such_action", "no registered action"), ("touch", "not public")]
)
def test_an_erase_action_that_integrators_cannot_reach_is_refused(name: str, told: str):
    with override_settings(JOBS={"USER_ERASE_ACTION": name}):
        messages = messages_of("jobs.E009")

    assert bool(messages) == bool(told)
    assert all(told in message.msg and name in message.msg for message in messages)


def test_a_host_that_names_no_erase_action_needs_none(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("jobs.checks.settings.find_action", lambda name: None)

    assert messages_of("jobs.E009") == []


@pytest.mark.parametrize("name", ["AUTHENTICATION", "PERMISSION", "THROTTLE", "FIND_PROJECT"])
@pytest.mark.parametrize(
    ("path", "told"), [("nowhere.Hook", "nowhere"), (f"{__name__}.NO_CLASS", f"{__name__}.NO_CLASS is no ")]
)
def test_a_hook_that_cannot_be_loaded_or_is_of_another_kind_is_refused(name: str, path: str, told: str):
    with override_settings(JOBS={name: path}):
        (message,) = messages_of("jobs.E010")

    assert repr(name) in message.msg
    assert told in message.msg or "cannot be called" in message.msg
