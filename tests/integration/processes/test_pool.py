"""Threads of our processes open connections of their own; other threads keep taking theirs from Django's pool."""

import threading
from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from jobs.engines import engine_process
from jobs.processes.listener import Listener
from jobs.processes.threads import ThreadGroup
from jobs.status import Status
from tests.support.concurrency import InThread, one_value, postgresql_only, until
from tests.support.execution import registered_action
from tests.support.factories import make_job

pytestmark = [pytest.mark.django_db(transaction=True), postgresql_only]


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The only connection of a pool, and its statistics; threads that start from now on find the pool."""
    settings = connections["default"].settings_dict
    connections["default"].close()
    monkeypatch.setitem(settings, "CONN_MAX_AGE", 0)
    monkeypatch.setitem(
        settings, "OPTIONS", {**settings["OPTIONS"], "pool": {"min_size": 1, "max_size": 1, "timeout": 5}}
    )
    pool = connections["default"].pool  # type: ignore[attr-defined]
    yield pool
    connections["default"].close()
    connections["default"].close_pool()  # type: ignore[attr-defined]


def take_one() -> int:
    return one_value("SELECT 1")


def given(pool: Any) -> int:
    """Return how many connections of the pool are in use."""
    statistics = pool.get_stats()
    return statistics["pool_size"] - statistics["pool_available"]


def test_a_thread_of_a_group_works_while_the_pool_is_empty(pool: Any):
    take_one()
    used: list[BaseDatabaseWrapper] = []
    group = ThreadGroup("w", on_failure=Mock(side_effect=AssertionError("no thread crashed")))

    group.start(lambda: used.append(connections["default"]) or take_one(), "once").join(10)

    assert used[0].pool is None  # type: ignore[attr-defined]
    assert used[0].connection is None
    assert given(pool) == 1


def test_the_listener_neither_takes_from_the_pool_nor_closes_what_is_in_it(pool: Any):
    ended, listener = threading.Event(), Listener(lambda: None)
    group = ThreadGroup("w", on_failure=Mock(side_effect=AssertionError("no thread crashed")))
    for _ in range(3):
        ended.clear()
        thread = group.start(lambda: listener.listen(ended), "listen")
        until(lambda: listener.is_receiving, what="its own notification")
        ended.set()
        thread.join(10)

    assert InThread(take_one).result() == 1
    assert pool.get_stats().get("connections_lost", 0) == 0


@pytest.mark.usefixtures("own_engine_process")
def test_an_engine_process_runs_jobs_while_the_engines_own_thread_has_the_only_connection(pool: Any):
    job = make_job(action="trial")

    with registered_action(lambda context: None):
        engine_process.current().run(job.pk)

    assert one_value("SELECT status FROM jobs_job WHERE id = %s", job.pk) == Status.COMPLETED
