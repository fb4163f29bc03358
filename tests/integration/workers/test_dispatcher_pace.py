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
    """Time that passes only while the dispatcher sleeps: until it is woken, every 20 ms if it ``wakes``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, dispatcher: JobDispatcher) -> None:
        self.now = 1_000.0
        self.end = self.now
        self.wakes = True
        self.on_sleep: Callable[[], None] = lambda: None
        self._dispatcher = dispatcher
        monkeypatch.setattr("jobs.workers.dispatch_order.monotonic", lambda: self.now)
        monkeypatch.setattr("jobs.workers.dispatcher.monotonic", lambda: self.now)
        monkeypatch.setattr(dispatcher.wake, "wait", self._sleep)

    def run(self, seconds: float) -> None:
        self.end = self.now + seconds
        self._dispatcher.run()

    def _sleep(self, seconds: float) -> None:
        self.now += min(seconds, 0.02) if self.wakes else seconds
        self.on_sleep()
        if self.now > self.end:
            self._dispatcher.stop()


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch, dispatcher: JobDispatcher) -> Time:
    return Time(monkeypatch, dispatcher)


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch, dispatcher: JobDispatcher) -> list[int]:
    """Grows with each search for jobs to dispatch."""
    calls: list[int] = []
    dispatch_once = dispatcher.dispatch_once
    monkeypatch.setattr(dispatcher, "dispatch_once", lambda: calls.append(1) or dispatch_once())
    return calls


def fill_queue() -> None:
    make_due_jobs(MOST_IN_FLIGHT, reserved_until=ago(-600))


def test_wake_ups_do_not_repeat_a_send_to_an_engine_that_is_away(engine: FakeEngine, time: Time):
    make_job()
    engine.refuses = {"touch"}

    time.run(20)

    assert 5 <= engine.calls <= 15


def test_wake_ups_do_not_repeat_a_try_while_the_database_is_away_but_a_stop_ends_the_rest(
    dispatcher: JobDispatcher, time: Time, monkeypatch: pytest.MonkeyPatch
):
    tries: list[int] = []

    def fail() -> None:
        tries.append(1)
        raise OperationalError

    monkeypatch.setattr(dispatcher, "dispatch_once", fail)

    time.run(20)

    assert 5 <= len(tries) <= 15
    assert time.now < time.end + 0.1


@pytest.mark.parametrize("wakes", [True, False])
def test_while_a_queue_stays_full_searches_for_its_jobs_grow_rare(
    wakes: bool, time: Time, searches: list[int], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("jobs.workers.dispatch_order.all_actions", lambda: [find_action("touch")])
    fill_queue()
    make_job()
    time.wakes = wakes

    time.run(20)

    assert 15 <= len(searches) <= 30


def test_where_all_jobs_are_sent_a_full_queue_causes_no_search(time: Time, searches: list[int]):
    fill_queue()
    time.wakes = False

    with override_settings(JOBS={"TASK_BACKEND": "default", "POLL_SECONDS": 5}):
        time.run(20)

    assert len(searches) <= 6


def test_long_searches_beside_a_full_queue_take_a_fifth_of_the_time(
    dispatcher: JobDispatcher, time: Time, searches: list[int], monkeypatch: pytest.MonkeyPatch
):
    def search() -> list[Any]:
        time.now += 0.3
        return []

    fill_queue()
    make_job()
    monkeypatch.setattr(dispatcher._order, "candidates", search)

    time.run(30)

    assert 10 <= len(searches) <= 21


def test_a_drain_ends_when_all_jobs_are_sent_though_the_queue_is_nearly_full_and_no_worker_runs(
    engine: FakeEngine, dispatcher: JobDispatcher, time: Time
):
    make_due_jobs(MOST_IN_FLIGHT - 40)
    dispatcher._drain = True

    time.run(20)

    assert len(engine.took) == MOST_IN_FLIGHT - 40
    assert time.now < time.end


def test_a_drain_waits_for_room(engine: FakeEngine, dispatcher: JobDispatcher, time: Time):
    jobs = make_due_jobs(MOST_IN_FLIGHT + 40)
    dispatcher._drain = True

    def complete_jobs() -> None:
        if time.now > 1_002:
            Job.objects.reserved().update(status=Status.COMPLETED, finished_at=ago(0))

    time.on_sleep = complete_jobs

    time.run(20)

    assert sorted(engine.took) == [job.pk for job in jobs]
    assert 1_002 < time.now < time.end
