"""``/livez`` and ``/readyz``, the probes of load balancers and orchestrators."""

from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.test.utils import CaptureQueriesContext, override_settings

from jobs.services.reports import health

pytestmark = pytest.mark.uses_database

PROBES = ["/livez", "/readyz"]


@pytest.fixture
def ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is ready, without a database."""
    monkeypatch.setattr("jobs.api.health.is_ready", lambda: True)


# Without the mark `django_db` a query would be an error.
def test_livez_answers_without_a_database(client: Client):
    response = client.get("/livez")

    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.django_db
def test_readyz_answers_with_one_query(client: Client):
    with CaptureQueriesContext(connection) as captured:
        response = client.get("/readyz")

    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert len(captured) == 1


@pytest.mark.django_db
def test_a_migration_that_is_not_applied_makes_it_unready(client: Client):
    MigrationRecorder(connection).record_unapplied("jobs", "0003_pause")

    response = client.get("/readyz")

    assert (response.status_code, response.json()) == (503, {"status": "unavailable"})


@pytest.mark.django_db
def test_a_newer_database_than_the_code_is_ready(client: Client):
    MigrationRecorder(connection).record_applied("jobs", "9999_later")

    assert client.get("/readyz").status_code == 200


def test_an_outage_makes_it_unready_and_its_error_is_not_shown(client: Client, monkeypatch: pytest.MonkeyPatch):
    class Away:
        @property
        def migration_qs(self) -> Any:
            raise OperationalError("host=10.0.0.1 password=secret")

    monkeypatch.setattr(health, "MigrationRecorder", lambda connection: Away())

    response = client.get("/readyz")

    assert (response.status_code, response.json()) == (503, {"status": "unavailable"})


@pytest.mark.parametrize("probe", PROBES)
def test_no_cache_stores_an_answer(client: Client, ready: None, probe: str):
    response = client.get(probe)

    assert "no-store" in response["Cache-Control"]
    assert response["Content-Type"] == "application/json"
    assert not response.cookies


@pytest.mark.parametrize("probe", PROBES)
def test_other_methods_than_get_and_head_are_refused(client: Client, ready: None, probe: str):
    assert client.head(probe).status_code == 200
    assert client.post(probe).status_code == 405


@pytest.mark.parametrize("probe", PROBES)
@override_settings(SECURE_SSL_REDIRECT=True)
def test_over_plain_http_a_probe_is_answered_and_not_redirected(client: Client, ready: None, probe: str):
    assert client.get(probe).status_code == 200


def test_atomic_requests_do_not_apply(client: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)

    assert client.get("/livez").status_code == 200


def test_without_migrations_none_are_required():
    health._migrations.cache_clear()
    try:
        with override_settings(MIGRATION_MODULES={"jobs": None}):
            assert health._migrations() == frozenset()
    finally:
        health._migrations.cache_clear()
