"""The threads of a worker process: kept alive through outages, missed when they fall."""

import logging
import threading
import time
from types import SimpleNamespace
from typing import NoReturn

import pytest
from django.db import DatabaseError, OperationalError, connections

from jobs.processes.threads import ThreadGroup
from tests.support.concurrency import until

pytestmark = pytest.mark.uses_database

CANARY = "canary@example.com"


def fail_if_called() -> NoReturn:
    raise AssertionError("nothing fell")


@pytest.mark.django_db(transaction=True)
def test_a_thread_closes_its_connections_when_its_work_is_done():
    thread_group, used = ThreadGroup("w", on_failure=fail_if_called), []

    def connect() -> None:
        own = connections["default"]
        own.ensure_connection()
        used.append((own, own.connection is not None))

    thread = thread_group.start(connect, "once")
    thread.join(10)

    assert thread.daemon
    ((own, was_open),) = used
    assert was_open
    assert own.connection is None


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_falls_is_reported():
    fallen = threading.Event()

    def stumble() -> NoReturn:
        raise ZeroDivisionError

    ThreadGroup("w", on_failure=fallen.set).start(stumble, "once").join(10)

    assert fallen.is_set()


@pytest.mark.django_db(transaction=True)
def test_repeated_work_goes_on_after_an_outage_and_sooner_than_its_rhythm():
    thread_group, calls = ThreadGroup("w", on_failure=fail_if_called), []

    def work() -> None:
        calls.append(1)
        if len(calls) < 2:
            raise OperationalError("away")

    thread_group.repeat(1_000, work, name="work", at_once=True)

    until(lambda: len(calls) == 2, what="a second call")
    thread_group.ended.set()


def test_repeated_work_keeps_its_rhythm_and_ends_with_the_crew():
    thread_group, calls = ThreadGroup("w", on_failure=fail_if_called), []
    thread_group.repeat(0.01, lambda: calls.append(1), name="work")
    until(lambda: len(calls) >= 3, what="three calls")

    thread_group.ended.set()

    until(lambda: not any(thread.name == "jobs-work" for thread in threading.enumerate()), what="the thread to end")


@pytest.mark.django_db
def test_trouble_is_logged_once_in_a_while_and_without_its_text(caplog: pytest.LogCaptureFixture):
    thread_group = ThreadGroup("w", on_failure=fail_if_called)
    error = DatabaseError(f"Key (email)=({CANARY}) already exists.")
    error.__cause__ = Exception()
    error.__cause__.sqlstate = "40001"  # type: ignore[attr-defined]
    caplog.set_level(logging.DEBUG)

    for _ in range(20):
        thread_group.report(error)

    assert len(caplog.records) == 1
    assert CANARY not in caplog.text
    assert "DatabaseError" in caplog.text


def test_threads_that_meet_one_outage_at_one_moment_log_it_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    thread_group, clock = ThreadGroup("w", on_failure=fail_if_called), time.monotonic

    def read_slowly() -> float:
        now = clock()
        time.sleep(0.05)  # long enough for the others to come along
        return now

    monkeypatch.setattr("jobs.processes.threads.time", SimpleNamespace(monotonic=read_slowly))
    threads = [thread_group.start(lambda: thread_group.report(OperationalError()), "meet") for _ in range(4)]
    for thread in threads:
        thread.join(10)

    assert len(caplog.records) == 1
