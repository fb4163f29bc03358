"""The row by which others see that a process lives: there as long as it does."""

import threading
from typing import Any

import pytest
from django.db import connections

from jobs.models import Worker
from jobs.processes.heartbeat import Heartbeat

pytestmark = pytest.mark.django_db(transaction=True)


def make_presence() -> Heartbeat:
    return Heartbeat("host:1:aaaa", kind=Worker.Kind.DISPATCHER)


def test_a_process_that_beats_has_one_row_until_it_leaves():
    heartbeat = make_presence()
    heartbeat.beat()
    heartbeat.beat()
    beating = Worker.objects.count()

    heartbeat.leave()

    assert (beating, Worker.objects.count()) == (1, 0)


def test_a_beat_after_the_end_brings_nobody_back():
    heartbeat = make_presence()
    heartbeat.leave()

    heartbeat.beat()

    assert not Worker.objects.exists()


def test_a_beat_that_the_end_overtakes_brings_nobody_back(monkeypatch: pytest.MonkeyPatch):
    heartbeat = make_presence()
    insert = Worker.objects.create
    leaving = threading.Thread(target=lambda: (heartbeat.leave(), connections.close_all()))

    def insert_late(**columns: Any) -> None:
        leaving.start()
        leaving.join(0.5)
        insert(**columns)

    monkeypatch.setattr(Worker.objects, "create", insert_late)

    heartbeat.beat()

    leaving.join()
    assert not Worker.objects.exists()
