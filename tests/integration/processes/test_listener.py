"""How an idle process sleeps, and what wakes it."""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import DatabaseError

from jobs import schedule_job
from jobs.processes import listener as listener_module
from jobs.processes.listener import Listener, Wake
from tests.support.concurrency import InThread, one_value, other_connection, postgresql_only, sqlite_only, until
from tests.support.factories import make_project

LISTENERS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query = 'LISTEN jobs_due' "
    "AND state = 'idle'"
)


def on_postgresql(test: Callable[..., None]) -> Any:
    return pytest.mark.django_db(transaction=True)(postgresql_only(test))


@contextmanager
def listening(wake: Wake, *, until_receiving: bool = True) -> Iterator[tuple[Listener, InThread[None]]]:
    listener, ended = Listener(wake.set), threading.Event()
    thread = InThread(lambda: listener.listen(ended))
    try:
        if until_receiving:
            until(lambda: listener.is_receiving, what="the listener to receive its own notification")
            wake.wait(0)
        yield listener, thread
    finally:
        ended.set()


@pytest.mark.parametrize("seconds", [0.01, -1])
def test_a_sleep_ends_by_itself(seconds: float):
    assert Wake().wait(seconds) is False


def test_a_call_ends_the_sleep():
    wake = Wake()
    sleeping = InThread(lambda: wake.wait(20))

    wake.set()

    assert sleeping.result() is True


@pytest.mark.parametrize("calls", [2, 70_000])
def test_calls_before_the_sleep_end_it_once_and_never_block(calls: int):
    wake = Wake()

    for _ in range(calls):
        wake.set()

    assert (wake.wait(20), wake.wait(0)) == (True, False)


def test_a_signal_that_came_before_the_sleep_ends_it():
    wake = Wake()
    before = signal.signal(signal.SIGUSR1, lambda *_: None), signal.set_wakeup_fd(wake.fileno())
    try:
        os.kill(os.getpid(), signal.SIGUSR1)

        assert wake.wait(20) is True
    finally:
        signal.set_wakeup_fd(before[1])
        signal.signal(signal.SIGUSR1, before[0])


@on_postgresql
def test_a_job_that_is_due_now_wakes_a_listening_worker_within_a_second_and_one_for_later_none():
    wake, project = Wake(), make_project()
    with listening(wake) as (_, thread):
        schedule_job("touch_in_an_hour", project=project, reference_id="a")
        woken_early = wake.wait(0.3)
        begun = time.monotonic()
        schedule_job("touch", project=project, reference_id="a")
        woken = wake.wait(20)
        took = time.monotonic() - begun

    thread.result()
    assert (woken_early, woken) == (False, True)
    assert took < 1


@on_postgresql
def test_a_listener_that_does_not_receive_its_own_notice_logs_that_and_lets_the_worker_poll(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(listener_module, "OWN_ECHO_SECONDS", 0.05)
    monkeypatch.setattr(listener_module, "notify_due", lambda: None)  # as a pooler in transaction mode drops it
    caplog.set_level(logging.WARNING)

    with listening(Wake(), until_receiving=False) as (listener, thread):
        until(lambda: "NOTIFY is not heard" in caplog.text, what="the warning")

        assert not listener.is_receiving

    thread.result()


@on_postgresql
def test_a_listener_whose_connection_is_cut_raises_and_no_longer_receives():
    with listening(Wake()) as (listener, thread):
        with other_connection() as other, other.cursor() as cursor:
            cursor.execute(LISTENERS.replace("count(*)", "pg_terminate_backend(pid)"))

        with pytest.raises(DatabaseError):
            thread.result()

        assert not listener.is_receiving


@on_postgresql
def test_a_listener_closes_its_connection_when_it_ends():
    with listening(Wake()) as (_, thread):
        assert one_value(LISTENERS) == 1

    thread.result()
    until(lambda: one_value(LISTENERS) == 0, what="the connection to be closed")


@sqlite_only
@pytest.mark.django_db(transaction=True)
def test_without_notify_the_listener_waits_for_the_end():
    with listening(Wake(), until_receiving=False) as (listener, thread):
        assert not listener.is_receiving

    thread.result()
