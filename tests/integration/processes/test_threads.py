"""The threads of a process: they retry after outages and report a crash."""

import logging
import threading
import time
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from django.db import DatabaseError, OperationalError, connections

from jobs.processes.threads import ThreadGroup
from tests.support.concurrency import until

pytestmark = pytest.mark.uses_database

CANARY = "canary@example.com"


@pytest.fixture
def group() -> ThreadGroup:
    return ThreadGroup("w", on_failure=Mock(side_effect=AssertionError("no thread crashed")))


@pytest.mark.django_db(transaction=True)
def test_a_thread_closes_its_connections_when_its_work_is_done(group: ThreadGroup):
    used = []

    def connect() -> None:
        own = connections["default"]
        own.ensure_connection()
        used.append((own, own.connection is not None))

    thread = group.start(connect, "once")
    thread.join(10)

    assert thread.daemon
    ((own, was_open),) = used
    assert was_open
    assert own.connection is None


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_crashes_is_reported():
    failed = threading.Event()

    ThreadGroup("w", on_failure=failed.set).start(Mock(side_effect=ZeroDivisionError), "once").join(10)

    assert failed.is_set()


@pytest.mark.django_db(transaction=True)
def test_repeated_work_is_tried_again_after_an_outage_sooner_than_its_period(group: ThreadGroup):
    work = Mock(side_effect=[OperationalError("away"), None])

    group.repeat(1_000, work, name="work", at_once=True)

    until(lambda: work.call_count == 2, what="a second call")
    group.ended.set()


def test_repeated_work_keeps_its_period_and_ends_with_the_group(group: ThreadGroup):
    calls: list[int] = []
    group.repeat(0.01, lambda: calls.append(1), name="work")
    until(lambda: len(calls) >= 3, what="three calls")

    group.ended.set()

    until(lambda: not any(thread.name == "jobs-work" for thread in threading.enumerate()), what="the thread to end")


@pytest.mark.django_db
def test_a_database_error_is_logged_once_in_five_seconds_and_without_its_text(
    group: ThreadGroup, caplog: pytest.LogCaptureFixture
):
    error = DatabaseError(f"Key (email)=({CANARY}) already exists.")
    error.__cause__ = Exception()
    error.__cause__.sqlstate = "40001"  # type: ignore[attr-defined]
    caplog.set_level(logging.DEBUG)

    for _ in range(20):
        group.report(error)

    assert len(caplog.records) == 1
    assert CANARY not in caplog.text
    assert "DatabaseError" in caplog.text


def test_threads_that_fail_at_the_same_moment_log_one_line(
    group: ThreadGroup, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    clock = time.monotonic

    def read_slowly() -> float:
        now = clock()
        time.sleep(0.05)  # long enough for the other threads to arrive
        return now

    monkeypatch.setattr("jobs.processes.threads.time", SimpleNamespace(monotonic=read_slowly))
    threads = [group.start(lambda: group.report(OperationalError()), "fail") for _ in range(4)]
    for thread in threads:
        thread.join(10)

    assert len(caplog.records) == 1
