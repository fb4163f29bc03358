"""One reference and one key go through every door; afterwards they stand in their places and nowhere else."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final
from uuid import uuid4

import pytest

pytest.importorskip("sentry_sdk", reason="the package sentry-sdk is not here")

from tests.support.processes import run_python
from tests.support.wheel_postgres import WheelPostgres, wheel_postgres
from tests.system.engines.engines import BROKER_URL, Celery, check_available

pytestmark = pytest.mark.timeout(600)

CANARY: Final = re.compile(r"canary-7f3a[^,;\\s]*|jsk_[0-9A-Za-z]{38}")
AROUND: Final = 200


def canaries_in(text: str) -> list[str]:
    return [text[max(0, found.start() - AROUND) : found.end() + AROUND] for found in CANARY.finditer(text)]


@pytest.fixture
def server() -> Iterator[WheelPostgres]:
    """A server of our own, which logs what PostgreSQL logs by default."""
    with wheel_postgres() as started:
        yield started


@pytest.fixture
def prefix() -> Iterator[str]:
    check_available(Celery)
    prefix = f"jobs-canary-{uuid4().hex[:12]}."
    yield prefix
    Celery.delete_queues(prefix)


def run(server: WheelPostgres, prefix: str, *command: str) -> Any:
    """Run Python with every line logged, on the server, with RabbitMQ as its engine."""
    done = run_python(
        *command,
        settings="tests.system.engines.settings",
        TEST_SETTINGS="tests.settings",
        DATABASE_URL=server.url,
        TEST_DATABASE_NAME="postgres",
        TEST_ENGINE="celery",
        TEST_BROKER_URL=BROKER_URL,
        TEST_QUEUE_PREFIX=prefix,
        LOG_LEVEL="DEBUG",
    )
    assert done.returncode == 0, done.stdout[-5_000:] + done.stderr[-5_000:]
    return done


def messages(prefix: str) -> list[str]:
    """Return what waits in the broker, as it was sent."""
    with Celery._queues(prefix) as (queue, _):
        found = []
        while (message := queue.get(no_ack=True)) is not None:
            found.append(f"{message.body!r} {message.headers} {message.properties}")
        return found


def test_reference_and_key_stand_in_their_places_and_nowhere_else(server: WheelPostgres, prefix: str):
    program = run(server, prefix, "-m", "tests.support.django_program", "tests.support.canary")
    sent = messages(prefix)
    worker = run(server, prefix, "manage.py", "jobworker", "--drain")

    tables, reports = map(json.loads, program.stdout.splitlines()[-2:])
    assert tables["found"] == []
    assert len(sent) == 3
    assert len(reports["events"]) > 10 < len(reports["mails"])
    seen = {
        "events": reports["events"],
        "mails": reports["mails"],
        "messages": sent,
        "logs": [program.stderr, worker.stdout, worker.stderr],
        "PostgreSQL": [server.log],
    }
    assert {name: found for name, texts in seen.items() if (found := canaries_in("\n".join(texts)))} == {}


def test_a_plain_conflict_is_in_no_log_of_the_database(server: WheelPostgres, prefix: str):
    program = run(server, prefix, "-m", "tests.support.django_program", "tests.support.canary", "conflicts")

    assert canaries_in(program.stderr) == []
    assert canaries_in(server.log) == []
