"""Fixtures for all suites, and which tests a run takes in which order."""

import os
from collections.abc import Iterator
from typing import Any, Final

import pytest
from django.db import connection
from django.test import Client, override_settings
from pytest_django.plugin import DjangoDbBlocker

from jobs.engines import engine_process
from tests.support.api_client import Api
from tests.support.concurrency import until
from tests.support.factories import make_key, make_project
from tests.support.fast_postgres import speed_up
from tests.support.openapi.check import faults_of

DATABASE_FIXTURES: Final = {"db", "transactional_db", "live_server"}
DATABASE_MARKERS: Final = ("django_db", "uses_database", "skipif")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option with which ``tests/run.py`` runs the second of two databases."""
    help_text = "leave out the tests that do not use the database; they ran on the other one"
    parser.addoption("--only-database-tests", action="store_true", help=help_text)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what ran on the other database, and start what takes longest first."""
    if config.getoption("only_database_tests"):
        left_out = [item for item in items if not uses_database(item)]
        items[:] = [item for item in items if uses_database(item)]
        config.hook.pytest_deselected(items=left_out)
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    items[:] = [item for share in shares(items, workers) for item in share]


def uses_database(item: pytest.Item) -> bool:
    """Say whether a test may have another result on another database.

    pytest-django lets a test query the database only with its fixtures or the marker ``django_db``. What needs the
    run's database without a query of its own – for its SQL or its abilities, or for a process that the test starts
    on it – has the marker ``uses_database``. The condition of a ``skipif`` may ask which database it is. All other
    tests run once.
    """
    fixtures = getattr(item, "fixturenames", ())
    return bool(DATABASE_FIXTURES.intersection(fixtures)) or any(map(item.get_closest_marker, DATABASE_MARKERS))


def shares(items: list[pytest.Item], workers: int) -> Iterator[list[pytest.Item]]:
    """Give each of xdist's workers its share: first of the tests that take long, the longest first, then of the others.

    With ``--dist worksteal`` each gets a piece of the list, and one that is through takes from the end of another's.
    A test takes long if it has a time limit of its own. Most of these wait for processes.
    """
    long = sorted(filter(time_limit, items), key=time_limit, reverse=True)
    short = [item for item in items if not time_limit(item)]
    for number in range(workers):
        share = long[number::workers]
        end = len(items) * (number + 1) // workers - len(items) * number // workers - len(share)
        yield share + short[: max(0, end)]
        del short[: max(0, end)]


def time_limit(item: pytest.Item) -> float:
    """Return the seconds that a test's own marker ``timeout`` gives it; 0: it has none."""
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0]) if marker else 0


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """The test database, which waits for no disk."""
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock():
            speed_up()


@pytest.fixture(autouse=True, scope="session")
def answers_as_documented() -> Iterator[None]:
    """Compare every answer of the API to a test client with the OpenAPI document; a difference fails the test."""
    ask = Client.request

    def checked(self: Client, **request: Any) -> Any:
        response = ask(self, **request)
        method, path = request.get("REQUEST_METHOD", "GET"), request.get("PATH_INFO", "/")
        faults = faults_of(method, path.encode("latin-1").decode(errors="replace"), response)
        assert not faults, f"{method} {path} {response.status_code} is not as documented: {'; '.join(faults)}"
        return response

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Client, "request", checked)
        yield


@pytest.fixture
def api(db: None) -> Api:
    """An integrator with a key that may do everything in a project of its own."""
    project = make_project()
    return Api(project=project, secret=make_key(organization=project.organization).secret)


@pytest.fixture
def own_engine_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process of an engine that has not run a job yet; what it starts has ended with the test."""
    with override_settings(JOBS={"BEAT_SECONDS": 0.2, "LEASE_SECONDS": 1}):
        monkeypatch.setattr(engine_process, "_process", None)
        monkeypatch.setattr(engine_process, "_is_stop_asked", None)
        yield
        if engine_process._process is not None:
            engine_process._process._leases.stopping.set()
            until(lambda: not engine_process.current()._running, what="the last job to end")
            engine_process._process.end()
