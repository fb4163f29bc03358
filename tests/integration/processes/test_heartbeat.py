"""The row that says that a process lives: it exists as long as the process does."""

import threading
from typing import Any

import pytest
from django.db import connections

from jobs.models import Worker
from jobs.processes.heartbeat import Heartbeat

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def heartbeat() -> Heartbeat:
    return Heartbeat("host:1:aaaa", kind=Worker.Kind.DISPATCHER)


def test_a_process_that_beats_has_one_row_until_it_leaves(heartbeat: Heartbeat):
    heartbeat.beat()
    heartbeat.beat()
    rows_before = Worker.objects.count()

    heartbeat.leave()

    assert (rows_before, Worker.objects.count()) == (1, 0)


def test_a_beat_after_the_end_inserts_no_row(heartbeat: Heartbeat):
    heartbeat.leave()

    heartbeat.beat()

    assert not Worker.objects.exists()


def test_a_beat_during_the_end_leaves_no_row(heartbeat: Heartbeat, monkeypatch: pytest.MonkeyPatch):
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
