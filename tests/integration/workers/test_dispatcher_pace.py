"""How often the dispatcher searches: at once where that helps, seldom where nothing can have changed."""

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
from tests.support.execution import FakeEngine, ago, make_due_jobs
from tests.support.factories import make_job

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("engine")]


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


def count_calls(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, instead: Callable[[], Any] | None = None
) -> list:
    """Return a list that grows with each call of a method, which ``instead`` may replace."""
    calls: list[float] = []
    called = instead or getattr(owner, name)
    monkeypatch.setattr(owner, name, lambda: calls.append(1) or called())
    return calls


def test_wake_ups_do_not_repeat_a_send_to_an_engine_that_is_away(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch):
    make_job()
    engine.refuses = {"touch"}
    dispatcher = JobDispatcher()

    Time(monkeypatch, dispatcher).run(20)

    assert 5 <= engine.calls <= 15


def test_wake_ups_do_not_repeat_a_try_while_the_database_is_away_but_a_stop_ends_the_rest(
    monkeypatch: pytest.MonkeyPatch,
):
    def fail() -> None:
        raise OperationalError

    dispatcher = JobDispatcher()
    tries = count_calls(monkeypatch, dispatcher, "dispatch_once", fail)
    time = Time(monkeypatch, dispatcher)

    time.run(20)

    assert 5 <= len(tries) <= 15
    assert time.now < time.end + 0.1


@pytest.mark.parametrize("wakes", [True, False])
def test_while_a_queue_stays_full_searches_for_its_jobs_grow_rare(
    wakes: bool, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("jobs.workers.dispatch_order.all_actions", lambda: [find_action("touch")])
    make_due_jobs(MOST_IN_FLIGHT, reserved_until=ago(-600))
    make_job()
    dispatcher = JobDispatcher()
    searches = count_calls(monkeypatch, dispatcher, "dispatch_once")

    Time(monkeypatch, dispatcher, wakes=wakes).run(20)

    assert 15 <= len(searches) <= 30


def test_where_all_jobs_are_sent_a_full_queue_causes_no_search(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch):
    make_due_jobs(MOST_IN_FLIGHT, reserved_until=ago(-600))
    dispatcher = JobDispatcher()
    searches = count_calls(monkeypatch, dispatcher, "dispatch_once")

    with override_settings(JOBS={"TASK_BACKEND": "default", "POLL_SECONDS": 5}):
        Time(monkeypatch, dispatcher, wakes=False).run(20)

    assert len(searches) <= 6


def test_long_searches_past_a_full_queue_take_a_fifth_of_the_time(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch):
    def search() -> list[Any]:
        time.now += 0.3
        return []

    make_due_jobs(MOST_IN_FLIGHT, reserved_until=ago(-600))
    make_job()
    dispatcher = JobDispatcher()
    time = Time(monkeypatch, dispatcher)
    searches = count_calls(monkeypatch, dispatcher._order, "candidates", search)

    time.run(30)

    assert 10 <= len(searches) <= 21


def test_a_drain_ends_when_all_jobs_are_sent_though_the_queue_is_nearly_full_and_no_worker_runs(
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
