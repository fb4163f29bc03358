"""``/livez`` and ``/readyz``, the probes of load balancers and orchestrators."""

from unittest.mock import patch

import pytest
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.test.utils import CaptureQueriesContext, override_settings

from jobs.services.reports import health

pytestmark = pytest.mark.uses_database


@pytest.fixture
def ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is ready, without a database."""
    monkeypatch.setattr("jobs.api.health.is_ready", lambda: True)


# Without the mark `django_db` a query would be an error.
@pytest.mark.parametrize("atomic", [True, False])
def test_livez_answers_without_a_database(client: Client, monkeypatch: pytest.MonkeyPatch, atomic: bool):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", atomic)

    response = client.get("/livez")

    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.django_db
def test_readyz_answers_with_one_query(client: Client):
    with CaptureQueriesContext(connection) as captured:
        response = client.get("/readyz")

    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert len(captured) == 1


@pytest.mark.django_db
def test_a_newer_database_than_the_code_is_ready_and_one_that_lacks_a_migration_is_not(client: Client):
    MigrationRecorder(connection).record_applied("jobs", "9999_later")
    newer = client.get("/readyz")
    MigrationRecorder(connection).record_unapplied("jobs", "0003_pause")
    older = client.get("/readyz")

    assert newer.status_code == 200
    assert (older.status_code, older.json()) == (503, {"status": "unavailable"})


def test_an_outage_makes_it_unready_and_its_error_is_not_shown(client: Client):
    with patch.object(health, "MigrationRecorder", side_effect=OperationalError("host=10.0.0.1 password=secret")):
        response = client.get("/readyz")

    assert (response.status_code, response.json()) == (503, {"status": "unavailable"})


@pytest.mark.parametrize("probe", ["/livez", "/readyz"])
@pytest.mark.parametrize("redirect", [True, False])
def test_a_probe_answers_get_and_head_also_over_plain_http_and_no_cache_stores_it(
    client: Client, ready: None, probe: str, redirect: bool
):
    with override_settings(SECURE_SSL_REDIRECT=redirect):
        response, head, post = client.get(probe), client.head(probe), client.post(probe)

    assert [answer.status_code for answer in (response, head, post)] == [200, 200, 405]
    assert "no-store" in response["Cache-Control"]
    assert response["Content-Type"] == "application/json"
    assert not response.cookies


def test_without_migrations_none_are_required():
    health._migrations.cache_clear()
    try:
        with override_settings(MIGRATION_MODULES={"jobs": None}):
            assert health._migrations() == frozenset()
    finally:
        health._migrations.cache_clear()
