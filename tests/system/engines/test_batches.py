"""A batch of messages to RabbitMQ: what it has confirmed is in its queue, and what it has not is sent again."""

import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from django.test import override_settings

pytest.importorskip("celery", reason="the package celery is not here")

from celery import Celery as CeleryApp
from celery.signals import before_task_publish
from kombu import Connection, Queue

from jobs import tasks
from jobs.contrib import rabbitmq
from jobs.models import Job
from jobs.workers.dispatcher import JobDispatcher
from tests.support.execution import make_due_jobs, registered_action
from tests.support.freezing_proxy import FreezingProxy
from tests.system.engines.engines import BROKER_URL, Celery, check_available

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(60)]

PREFIX: Final = f"jobs-test-{uuid4().hex[:12]}."
BATCH: Final = [(number, "note") for number in range(1, 201)]

app = CeleryApp("batches", set_as_current=False)


@pytest.fixture
def proxy() -> Iterator[FreezingProxy]:
    check_available(Celery)
    parts = urlsplit(BROKER_URL)
    login = f"{parts.username or 'guest'}:{parts.password or 'guest'}"
    address = f"{parts.hostname or '127.0.0.1'}:{parts.port or 5672}"
    with closing(FreezingProxy(parts._replace(netloc=f"{login}@{address}").geturl())) as made:
        yield made


@pytest.fixture(autouse=True)
def _engine(proxy: FreezingProxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    fresh = CeleryApp("batches", broker=proxy.url, set_as_current=False)
    fresh.conf.broker_connection_timeout = 1
    monkeypatch.setattr(sys.modules[__name__], "app", fresh)
    options = {"app": f"{__name__}.app", "queue_prefix": PREFIX}
    backend = {"BACKEND": "jobs.contrib.celery.CeleryBackend", "QUEUES": [], "OPTIONS": options}
    with override_settings(JOBS={"TASK_BACKEND": "default"}, TASKS={"default": backend}):
        try:
            yield
        finally:
            Celery.delete_queues(PREFIX)


def received(queue: str = "default") -> list[int]:
    """Take all messages from the queue, past the proxy; return the ids of their jobs."""
    found = []
    with Connection(BROKER_URL) as connection, closing(connection.channel()) as channel:
        bound = Queue(PREFIX + queue, channel=channel)
        while message := bound.get(no_ack=True):
            (path, args, kwargs), _, _ = message.payload
            assert (path, kwargs) == ("jobs.tasks.run_job", {})
            found += args
    return found


def make_queue(name: str = "default", **arguments: Any) -> None:
    with Connection(BROKER_URL) as connection, closing(connection.channel()) as channel:
        Queue(PREFIX + name, channel=channel, queue_arguments=arguments).declare()


def do_at(number: int, action: Any) -> Any:
    """Call ``action`` before message ``number`` of the next batch is published; return what must be kept alive."""
    seen: list[int] = []

    def count(**_: Any) -> None:
        seen.append(1)
        if len(seen) == number:
            action()

    before_task_publish.connect(count, weak=True)
    return count


def test_a_batch_is_in_the_queue_in_its_order_when_it_is_confirmed():
    first = tasks.dispatch_many(BATCH)
    second = tasks.dispatch_many([(500, "note")])

    assert first == ([number for number, _ in BATCH], None)
    assert second == ([500], None)
    assert received() == [*first[0], 500]


def test_a_batch_is_sent_at_once_over_another_connection_if_the_broker_has_closed_the_idle_one(proxy: FreezingProxy):
    tasks.dispatch_many([(500, "note")])
    for link in proxy._links:
        link.close()

    taken, failure = tasks.dispatch_many(BATCH)

    assert (taken, failure) == ([number for number, _ in BATCH], None)
    assert received() == [500, *taken]


@pytest.mark.parametrize("part", ["query", "answer"])
def test_a_connection_killed_in_the_middle_of_a_batch_loses_no_message(part: str, proxy: FreezingProxy):
    tasks.dispatch_many([(500, "note")])
    kept = do_at(100, lambda: (proxy.cut(part), proxy.mute()))

    taken, failure = tasks.dispatch_many(BATCH)

    before_task_publish.disconnect(kept)
    arrived = received()
    assert failure is not None
    assert len(taken) < len(BATCH)
    assert set(taken) <= set(arrived), "what is confirmed is in the queue"
    proxy.thaw()
    left = [(number, action) for number, action in BATCH if number not in taken]
    again, failure = tasks.dispatch_many(left)
    assert (again, failure) == ([number for number, _ in left], None)
    assert {*arrived, *received()} == {500, *(number for number, _ in BATCH)}


def test_what_a_full_queue_refuses_is_told_and_the_channel_goes_on():
    make_queue(**{"x-max-length": 5, "x-overflow": "reject-publish"})
    app.conf.task_queues = [
        Queue(PREFIX + "default", queue_arguments={"x-max-length": 5, "x-overflow": "reject-publish"})
    ]

    taken, failure = tasks.dispatch_many(BATCH)

    assert isinstance(failure, tasks.HandOverFailed)
    assert isinstance(failure.cause, rabbitmq.Refused)
    assert received() == taken == [1, 2, 3, 4, 5]
    assert tasks.dispatch_many([(6, "note")]) == ([6], None)


def test_a_broker_that_does_not_answer_is_waited_for_a_limited_time_and_its_late_answers_confirm_nothing(
    proxy: FreezingProxy, monkeypatch: pytest.MonkeyPatch
):
    tasks.dispatch_many([(500, "note")])
    monkeypatch.setattr(rabbitmq, "CONFIRM_SECONDS", 0.3)
    proxy.freeze(new=False)

    taken, failure = tasks.dispatch_many(BATCH)

    assert taken == []
    assert failure is not None
    assert isinstance(failure.cause, TimeoutError)
    monkeypatch.setattr(rabbitmq, "CONFIRM_SECONDS", 5.0)
    proxy.thaw()
    assert tasks.dispatch_many([(501, "note")]) == ([501], None)
    assert 501 in received()


def test_a_broker_that_is_silent_from_the_beginning_is_waited_for_a_limited_time(proxy: FreezingProxy):
    proxy.mute()

    taken, failure = tasks.dispatch_many(BATCH)

    assert taken == []
    assert failure is not None


def test_the_dispatcher_sends_again_what_was_not_confirmed_and_delays_no_other_queue(proxy: FreezingProxy):
    make_queue("elsewhere", **{"x-max-length": 1, "x-overflow": "reject-publish"})
    limited = Queue(PREFIX + "elsewhere", queue_arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    app.conf.task_queues = [limited, Queue(PREFIX + "default")]
    with registered_action(lambda _: None, name="elsewhere", queue="elsewhere"):
        refused, fine = make_due_jobs(3, action="elsewhere"), make_due_jobs(3)
        dispatcher = JobDispatcher()

        with pytest.raises(tasks.HandOverFailed):
            dispatcher.dispatch_once()

        assert received() == [job.pk for job in fine]
        assert received("elsewhere") == [refused[0].pk]
        assert set(Job.objects.unreserved()) == set(refused[1:])
        dispatcher._order.queue_backoff.clear("elsewhere")
        with pytest.raises(tasks.HandOverFailed):
            dispatcher.dispatch_once()
        assert received("elsewhere") == [refused[1].pk]
