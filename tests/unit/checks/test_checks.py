"""System checks: what would not work is said at the start, with the cure."""

from pathlib import Path
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
from tests.support.concurrency import sqlite_only

pytestmark = pytest.mark.uses_database


def messages_of(*ids: str) -> list[Any]:
    return [message for message in run_checks(tags=["jobs"], databases=[]) if message.id in ids]


def test_this_host_passes():
    found = run_checks(tags=["jobs"], databases=[])

    assert found == []


@override_settings(JOBS={"LEASE_SECNODS": 45})
def test_an_unknown_setting_is_refused_by_name():
    (message,) = messages_of("jobs.E001")

    assert "LEASE_SECNODS" in message.msg
    assert message.hint


@override_settings(JOBS={"CACHE": "nowhere"})
def test_a_cache_that_is_not_there_is_refused():
    (message,) = messages_of("jobs.E007")

    assert "nowhere" in message.msg
    assert message.hint


LOCMEM = "django.core.cache.backends.locmem.LocMemCache"
DUMMY = "django.core.cache.backends.dummy.DummyCache"
FILES = "django.core.cache.backends.filebased.FileBasedCache"
UNLIMITED = {"REQUESTS_PER_MINUTE": None, "FAILED_KEYS_PER_MINUTE": None}


@pytest.mark.parametrize(
    ("backend", "limits", "is_told"),
    [
        (LOCMEM, {}, True),
        (DUMMY, {}, True),
        (LOCMEM, {"REQUESTS_PER_MINUTE": None}, True),
        (LOCMEM, {"FAILED_KEYS_PER_MINUTE": None}, True),
        (LOCMEM, UNLIMITED, False),
        (FILES, {}, False),
    ],
)
def test_before_deployment_a_cache_of_each_process_s_own_is_told(
    backend: str, limits: dict[str, Any], is_told: bool, tmp_path: Path
):
    shared = {"BACKEND": FILES, "LOCATION": str(tmp_path)}
    caches = {"default": shared, "counts": {"BACKEND": backend, "LOCATION": str(tmp_path)}}

    with override_settings(CACHES=caches, JOBS={**limits, "CACHE": "counts"}):
        found = [
            m for m in run_checks(tags=["jobs"], databases=[], include_deployment_checks=True) if m.id == "jobs.W002"
        ]
        in_development = messages_of("jobs.W002")

    assert bool(found) == is_told
    assert all("'counts'" in message.msg and "Redis" in message.hint for message in found)
    assert in_development == []


@override_settings(JOBS_PROJECT_MODEL="nowhere.Project")
def test_a_project_model_that_is_not_installed_is_refused():
    (message,) = messages_of("jobs.E002")

    assert "nowhere.Project" in message.msg


def host_model(*bases: type[models.Model], **fields: Any) -> type[models.Model]:
    return type("HostProject", bases or (models.Model,), {"__module__": "tests.support.hostapp.models", **fields})


def lacks(model: type[models.Model], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(projects, "get_project_model", lambda: model)
    found = messages_of("jobs.E002")
    assert all(message.obj is model and message.hint for message in found)
    return [message.msg.partition(" lacks ")[2].split()[0] for message in found]


def organization_of(model: Any = Organization) -> models.Field:
    return models.ForeignKey(model, on_delete=models.CASCADE, related_name="+")


@isolate_apps("tests.support.hostapp")
def test_a_project_without_anything_is_told_all_it_lacks(monkeypatch: pytest.MonkeyPatch):
    model = host_model(code=models.CharField(primary_key=True, max_length=10))

    assert lacks(model, monkeypatch) == ["organization", "key", "public_id"]


@isolate_apps("tests.support.hostapp")
def test_a_project_of_another_kind_of_organization_is_refused(monkeypatch: pytest.MonkeyPatch):
    model = host_model(organization=organization_of(Group), key=models.CharField(max_length=20, unique=True))

    assert lacks(model, monkeypatch) == ["organization"]


@isolate_apps("tests.support.hostapp")
def test_a_public_id_must_be_an_integer(monkeypatch: pytest.MonkeyPatch):
    model = host_model(
        id=models.UUIDField(primary_key=True),
        public_id=models.CharField(max_length=20),
        organization=organization_of(),
        key=models.CharField(max_length=20, unique=True),
    )

    assert lacks(model, monkeypatch) == ["public_id"]


@isolate_apps("tests.support.hostapp")
def test_a_project_with_an_integer_key_needs_no_public_id(monkeypatch: pytest.MonkeyPatch):
    model = host_model(organization=organization_of(), key=models.CharField(max_length=20, unique=True))

    assert lacks(model, monkeypatch) == []


@isolate_apps("tests.support.hostapp")
def test_a_project_that_inherits_an_integer_key_needs_no_public_id(monkeypatch: pytest.MonkeyPatch):
    class Parent(models.Model):  # noqa: DJ008 – of no interest
        class Meta:
            app_label = "hostapp"

    model = host_model(Parent, organization=organization_of(), key=models.CharField(max_length=20, unique=True))

    assert lacks(model, monkeypatch) == []


@sqlite_only
def test_sqlite_without_immediate_transactions_is_warned_of(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", {"timeout": 20})

    (message,) = messages_of("jobs.W001")

    assert "IMMEDIATE" in message.hint


def test_naive_datetimes_are_refused(settings: Any):
    settings.USE_TZ = False

    (message,) = messages_of("jobs.E004")

    assert "USE_TZ" in message.msg


@sqlite_only
def test_a_database_that_keeps_another_time_than_utc_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(connection.settings_dict, "TIME_ZONE", "Asia/Tehran")
    for cached in ("timezone", "timezone_name"):
        vars(connection).pop(cached, None)

    try:
        (message,) = messages_of("jobs.E004")
    finally:
        for cached in ("timezone", "timezone_name"):
            vars(connection).pop(cached, None)

    assert "Asia/Tehran" in message.msg


def test_a_parameter_that_would_not_be_stored_is_refused(monkeypatch: pytest.MonkeyPatch):
    class Secretive(serializers.Serializer[Any]):
        token = serializers.CharField(write_only=True)

    monkeypatch.setattr(actions, "_registry", {})
    actions.action("secretive", description="Keep a secret", parameters=Secretive)(lambda job: None)

    (message,) = messages_of("jobs.E006")

    assert "'token' of the action 'secretive'" in message.msg


def test_a_database_that_is_neither_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connections[connection.alias], "vendor", "mysql")

    (message,) = messages_of("jobs.E005")

    assert "PostgreSQL" in message.hint
