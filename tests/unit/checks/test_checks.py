"""The checks of settings, the project model, actions and the database."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.checks import run_checks
from django.db import connection, connections, models
from django.test import override_settings
from django.test.utils import isolate_apps
from rest_framework import serializers

from jobs import actions
from jobs.checks import projects
from jobs.models import Organization
from tests.support.checks import messages_of
from tests.support.concurrency import postgresql_only, sqlite_only

pytestmark = pytest.mark.uses_database


def test_this_host_passes():
    found = run_checks(tags=["jobs"], databases=[])

    assert found == []


@pytest.mark.parametrize(
    ("check_id", "settings", "named"),
    [
        ("jobs.E001", {"JOBS": {"LEASE_SECNODS": 45}}, "LEASE_SECNODS"),
        ("jobs.E002", {"JOBS_PROJECT_MODEL": "nowhere.Project"}, "nowhere.Project"),
        ("jobs.E004", {"USE_TZ": False}, "USE_TZ"),
        ("jobs.E007", {"JOBS": {"CACHE": "nowhere"}}, "nowhere"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_by_name(check_id: str, settings: dict[str, Any], named: str):
    with override_settings(**settings):
        (message,) = messages_of(check_id)

    assert named in message.msg
    assert message.hint


LOCMEM = "django.core.cache.backends.locmem.LocMemCache"
DUMMY = "django.core.cache.backends.dummy.DummyCache"
FILES = "django.core.cache.backends.filebased.FileBasedCache"
UNLIMITED = dict.fromkeys(("REQUESTS_PER_MINUTE", "FAILED_KEYS_PER_MINUTE", "NEW_JOBS_PER_MINUTE"))


@pytest.mark.parametrize(
    ("backend", "limits", "is_warned_of"),
    [
        (LOCMEM, {}, True),
        (DUMMY, {}, True),
        (LOCMEM, {"REQUESTS_PER_MINUTE": None}, True),
        (LOCMEM, {"FAILED_KEYS_PER_MINUTE": None}, True),
        (LOCMEM, UNLIMITED, False),
        (FILES, {}, False),
    ],
)
def test_before_deployment_a_cache_of_each_process_is_warned_of(
    backend: str, limits: dict[str, Any], is_warned_of: bool, tmp_path: Path
):
    shared = {"BACKEND": FILES, "LOCATION": str(tmp_path)}
    caches = {"default": shared, "counts": {"BACKEND": backend, "LOCATION": str(tmp_path)}}

    with override_settings(CACHES=caches, JOBS={**limits, "CACHE": "counts"}):
        found = messages_of("jobs.W002", deploy=True)
        in_development = messages_of("jobs.W002")

    assert bool(found) == is_warned_of
    assert all("'counts'" in message.msg and "Redis" in message.hint for message in found)
    assert in_development == []


def host_model(*bases: type[models.Model], **fields: Any) -> type[models.Model]:
    return type("HostProject", bases or (models.Model,), {"__module__": "tests.support.hostapp.models", **fields})


def lacks(model: type[models.Model], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(projects, "get_project_model", lambda: model)
    found = messages_of("jobs.E002")
    assert all(message.obj is model and message.hint for message in found)
    return [message.msg.partition(" lacks ")[2].split()[0] for message in found]


def organization_of(model: Any = Organization) -> models.Field:
    return models.ForeignKey(model, on_delete=models.CASCADE, related_name="+")


def key() -> models.Field:
    return models.CharField(max_length=20, unique=True)


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        (
            lambda: {"code": models.CharField(primary_key=True, max_length=10)},
            ["organization", "key", "public_id"],
        ),
        (lambda: {"organization": organization_of(Group), "key": key()}, ["organization"]),
        (
            lambda: {
                "id": models.UUIDField(primary_key=True),
                "public_id": models.CharField(max_length=20),
                "organization": organization_of(),
                "key": key(),
            },
            ["public_id"],
        ),
        (lambda: {"organization": organization_of(), "key": key()}, []),
    ],
    ids=["nothing", "another organization", "a text as public_id", "an integer as primary key"],
)
@isolate_apps("tests.support.hostapp")
def test_a_project_model_is_told_what_it_lacks(
    monkeypatch: pytest.MonkeyPatch, fields: Callable[[], dict[str, Any]], missing: list[str]
):
    assert lacks(host_model(**fields()), monkeypatch) == missing


@isolate_apps("tests.support.hostapp")
def test_a_project_that_inherits_an_integer_key_needs_no_public_id(monkeypatch: pytest.MonkeyPatch):
    class Parent(models.Model):  # noqa: DJ008 – never shown
        class Meta:
            app_label = "hostapp"

    assert lacks(host_model(Parent, organization=organization_of(), key=key()), monkeypatch) == []


@sqlite_only
def test_sqlite_without_immediate_transactions_is_warned_of(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", {"timeout": 20})

    (message,) = messages_of("jobs.W001")

    assert "IMMEDIATE" in message.hint


@sqlite_only
def test_a_database_that_keeps_another_time_than_utc_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connections[connection.alias], "timezone_name", "Asia/Tehran")

    (message,) = messages_of("jobs.E004")

    assert "Asia/Tehran" in message.msg


def test_a_parameter_that_would_not_be_stored_is_refused(monkeypatch: pytest.MonkeyPatch):
    class Secretive(serializers.Serializer[Any]):
        token = serializers.CharField(write_only=True)

    monkeypatch.setattr(actions, "_registry", {})
    actions.action("secretive", description="Keep a secret", parameters=Secretive)(lambda job: None)

    (message,) = messages_of("jobs.E006")

    assert "'token' of the action 'secretive'" in message.msg


def test_a_database_other_than_postgresql_and_sqlite_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connections[connection.alias], "vendor", "mysql")

    (message,) = messages_of("jobs.E005")

    assert "PostgreSQL" in message.hint


@postgresql_only
@pytest.mark.parametrize(
    ("name", "version", "is_refused"),
    [
        ("psycopg2", "2.9.10 (dt dec pq3 ext lo64)", True),
        ("psycopg", "3.1.20", True),
        ("psycopg", "3.2", False),
        ("psycopg", "3.3.0.dev1", False),
    ],
)
def test_another_driver_than_a_new_psycopg_is_refused_by_name_with_the_cure(
    monkeypatch: pytest.MonkeyPatch, name: str, version: str, is_refused: bool
):
    monkeypatch.setattr(connection, "Database", SimpleNamespace(__name__=name, __version__=version))

    found = messages_of("jobs.E011")

    assert [f"is reached by {name} {version.split()[0]}." in message.msg for message in found] == [True] * is_refused
    assert all("psycopg[binary]>=3.2" in message.hint for message in found)
