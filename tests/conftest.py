"""Fixtures for all suites."""

from collections.abc import Iterator

import pytest
from django.test import override_settings

from jobs.engines import engine_process
from tests.support.api_client import Api
from tests.support.concurrency import until
from tests.support.factories import make_key, make_project


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
