"""Fixtures for the dispatcher's tests."""

from collections.abc import Iterator

import pytest
from django.test import override_settings

from jobs import tasks
from tests.support.execution import FakeEngine


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEngine]:
    """An engine that the settings name, in place of a real one."""
    engine = FakeEngine()
    monkeypatch.setattr(tasks, "hand_over", engine.hand_over)
    with override_settings(JOBS={"TASK_BACKEND": "default", "BEAT_SECONDS": 0.2, "LEASE_SECONDS": 1}):
        yield engine
