"""How often the dispatcher looks: at once where that helps, seldom where nothing would have changed."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError
from django.test import override_settings

from jobs.actions import find_action
from jobs.models import Job
from jobs.status import Status
from jobs.workers.dispatch_order import MOST_IN_FLIGHT
from jobs.workers.dispatcher import JobDispatcher
from tests.integration.workers.test_dispatcher import _with_an_engine, engine
from tests.support.execution import FakeEngine, ago, make_due_jobs
from tests.support.factories import make_job

__all__ = ["_with_an_engine", "engine"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("_with_an_engine")]


class Time:
    """Time that passes only while a dispatcher sleeps, for 20 ms at a time if it is woken as often."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, dispatcher: JobDispatcher, *, wakes: bool = True) -> None:
        self.now = 1_000.0
        self.end = self.now
        self.on_sleep: Callable[[], None] = lambda: None
        self._dispatcher = dispatcher
        self._nap = 0.02 if wakes else float("inf")
        monkeypatch.setattr("jobs.workers.dispatch_order.monotonic", lambda: self.now)
        monkeypatch.setattr("jobs.workers.dispatcher.monotonic", lambda: self.now)
        monkeypatch.setattr(dispatcher.wake, "wait", self._sleep)

    def run(self, seconds: float) -> int:
        self.end = self.now + seconds
        return self._dispatcher.run()

    def _sleep(self, seconds: float) -> None:
        self.now += min(seconds, self._nap)
        self.on_sleep()
        if self.now > self.end:
            self._dispatcher.stop()


def counting(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, instead: Callable[[], Any] | None = None) -> list:
    """Count the calls of a method, which may be replaced."""
    calls: list[float] = []
    real = getattr(owner, name)

    def call(*args: Any) -> Any:
        calls.append(1)
        return instead() if instead else real(*args)

    monkeypatch.setattr(owner, name, call)
    return calls


def test_wake_ups_do_not_hurry_an_engine_that_is_away(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch):
    make_job()
    engine.refuses = {"touch"}
    dispatcher = JobDispatcher()

    Time(monkeypatch, dispatcher).run(20)

    assert 5 <= engine.calls <= 15


def test_wake_ups_do_not_hurry_a_database_that_is_away_but_a_stop_is_heard(monkeypatch: pytest.MonkeyPatch):
    def fail() -> None:
        raise OperationalError

    dispatcher = JobDispatcher()
    tries = counting(monkeypatch, dispatcher, "dispatch_once", fail)
    time = Time(monkeypatch, dispatcher)

    time.run(20)

    assert 5 <= len(tries) <= 15
    assert time.now < time.end + 0.1


@pytest.mark.parametrize("wakes", [True, False])
def test_while_a_queue_stays_full_looks_for_its_jobs_grow_rare(
    wakes: bool, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("jobs.workers.dispatch_order.all_actions", lambda: [find_action("touch")])
    make_due_jobs(MOST_IN_FLIGHT, reserved_until=ago(-600))
    make_job()
    dispatcher = JobDispatcher()
    looks = counting(monkeypatch, dispatcher, "dispatch_once")

    Time(monkeypatch, dispatcher, wakes=wakes).run(20)

    assert 15 <= len(looks) <= 30


def test_where_all_is_handed_over_a_full_queue_is_no_reason_to_look(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
):
    make_due_jobs(MOST_IN_FLIGHT, reserved_until=ago(-600))
    dispatcher = JobDispatcher()
    looks = counting(monkeypatch, dispatcher, "dispatch_once")

    with override_settings(JOBS={"TASK_BACKEND": "default", "POLL_SECONDS": 5}):
        Time(monkeypatch, dispatcher, wakes=False).run(20)

    assert len(looks) <= 6


def test_long_searches_past_a_full_queue_take_a_fifth_of_the_time(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch):
    def search() -> list[Any]:
        time.now += 0.3
        return []

    make_due_jobs(MOST_IN_FLIGHT, reserved_until=ago(-600))
    make_job()
    dispatcher = JobDispatcher()
    time = Time(monkeypatch, dispatcher)
    searches = counting(monkeypatch, dispatcher._order, "candidates", search)

    time.run(30)

    assert 10 <= len(searches) <= 21


# ---------------------------------------------------------------- drained


def test_a_drain_ends_when_all_is_handed_over_though_the_queue_is_nearly_full_and_nobody_works(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
):
    make_due_jobs(MOST_IN_FLIGHT - 40)
    dispatcher = JobDispatcher(drain=True)
    time = Time(monkeypatch, dispatcher)

    time.run(20)

    assert len(engine.took) == MOST_IN_FLIGHT - 40
    assert time.now < time.end


def test_a_drain_waits_for_room(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch):
    jobs = make_due_jobs(MOST_IN_FLIGHT + 40)
    dispatcher = JobDispatcher(drain=True)
    time = Time(monkeypatch, dispatcher)

    def work() -> None:
        if time.now > 1_002:
            Job.objects.reserved().update(status=Status.COMPLETED, finished_at=ago(0))

    time.on_sleep = work

    time.run(20)

    assert sorted(engine.took) == [job.pk for job in jobs]
    assert 1_002 < time.now < time.end
