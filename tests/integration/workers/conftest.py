"""Fixtures for the dispatcher's tests: a dispatcher, and an engine that the settings name."""

from collections.abc import Iterator

import pytest
from django.test import override_settings

from jobs import tasks
from jobs.workers.dispatcher import JobDispatcher
from tests.support.execution import FakeEngine


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEngine]:
    engine = FakeEngine()
    monkeypatch.setattr(tasks, "dispatch_many", engine.dispatch_many)
    with override_settings(JOBS={"TASK_BACKEND": "default", "BEAT_SECONDS": 0.2, "LEASE_SECONDS": 1}):
        yield engine


@pytest.fixture
def dispatcher() -> JobDispatcher:
    return JobDispatcher()
