"""The dispatcher: reserves, hands over after the commit, and undoes what the engine did not take."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test import override_settings

from jobs import tasks
from jobs.dispatcher import JobDispatcher
from jobs.models import Job, Worker
from jobs.tasks import HandOverFailed
from tests.engine import ago, registered
from tests.factories import make_job

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("_with_an_engine")]

Send = Callable[..., None]


@pytest.fixture
def _with_an_engine() -> Any:
    with override_settings(JOBS={"TASK_BACKEND": "default", "BEAT_SECONDS": 0.2, "LEASE_SECONDS": 1}):
        yield


class Engine:
    """Takes jobs, but for those of actions that it refuses."""

    def __init__(self) -> None:
        self.took: list[int] = []
        self.in_transaction: list[bool] = []
        self.refuses: set[str] = set()
        self.calls = 0

    def hand_over(self, job_id: int, *, action: str) -> None:
        self.calls += 1
        self.in_transaction.append(connection.in_atomic_block)
        if action in self.refuses:
            raise HandOverFailed(ConnectionError("amqp://guest:secret@broker is away"))
        self.took.append(job_id)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    engine = Engine()
    monkeypatch.setattr(tasks, "hand_over", engine.hand_over)
    return engine


def test_a_due_job_is_handed_over_once_and_after_the_commit(engine: Engine):
    job = make_job()
    make_job(due_at=ago(-60))
    dispatcher = JobDispatcher()

    assert dispatcher.hand_over_once() == 1
    assert dispatcher.hand_over_once() == 0

    assert (engine.took, engine.in_transaction) == ([job.pk], [False])


def test_a_job_is_handed_over_again_when_its_reservation_has_run_out(engine: Engine):
    job = make_job()
    dispatcher = JobDispatcher()
    dispatcher.hand_over_once()
    Job.objects.update(reserved_until=ago(1))

    dispatcher.hand_over_once()

    assert engine.took == [job.pk, job.pk]


def test_what_the_engine_does_not_take_is_as_if_it_had_not_been_touched(engine: Engine):
    jobs = [make_job() for _ in range(3)]
    engine.refuses = {"touch"}

    with pytest.raises(HandOverFailed):
        JobDispatcher().hand_over_once()

    assert engine.calls == 1, "one refusal is enough for a queue"
    assert Job.objects.unreserved().count() == len(jobs)


def test_a_queue_that_takes_nothing_keeps_no_other_from_its_jobs(engine: Engine):
    engine.refuses = {"elsewhere"}
    with registered(lambda _: None, name="elsewhere", queue="elsewhere"):
        broken, fine = make_job(action="elsewhere"), make_job()

        with pytest.raises(HandOverFailed):
            JobDispatcher().hand_over_once()

    assert engine.took == [fine.pk]
    assert list(Job.objects.unreserved()) == [broken]


def test_while_the_engine_is_away_a_line_in_five_seconds_says_so_without_its_text(
    engine: Engine, caplog: pytest.LogCaptureFixture
):
    make_job()
    engine.refuses = {"touch"}
    dispatcher = JobDispatcher()

    with caplog.at_level(logging.WARNING, logger="jobs"):
        pauses = [dispatcher._pass_safely() or 0 for _ in range(12)]

    (line,) = [record.getMessage() for record in caplog.records]
    assert line.endswith("the engine takes no jobs: ConnectionError")
    assert 0 < pauses[0] <= 0.2
    assert 2.5 <= pauses[-1] <= 5


def test_a_drain_ends_when_all_that_is_due_is_handed_over(engine: Engine):
    jobs = [make_job() for _ in range(3)]

    status = JobDispatcher(drain=True).run()

    assert status == 0
    assert sorted(engine.took) == sorted(job.pk for job in jobs)
    assert not Worker.objects.exists()


def test_a_dispatcher_that_is_stopped_ends(engine: Engine):
    dispatcher = JobDispatcher()
    dispatcher.stop()

    assert dispatcher.run() == 0


def test_a_dispatcher_that_is_stopped_hands_no_more_over_and_leaves_nothing_reserved(engine: Engine):
    jobs = [make_job() for _ in range(3)]
    dispatcher = JobDispatcher()
    dispatcher.stop()

    dispatcher.hand_over_once()

    assert engine.took == []
    assert Job.objects.unreserved().count() == len(jobs)


# ---------------------------------------------------------------- the command


def test_once_hands_over_and_says_how_many(engine: Engine, capsys: pytest.CaptureFixture[str]):
    make_job()

    call_command("jobdispatcher", "--once")

    assert capsys.readouterr().out == "Handed 1 jobs over.\n"


def test_once_fails_if_the_engine_is_away_and_names_no_more_than_the_kind_of_error(engine: Engine):
    make_job()
    engine.refuses = {"touch"}

    with pytest.raises(CommandError, match="^the engine takes no jobs: ConnectionError$"):
        call_command("jobdispatcher", "--once")


def test_without_an_engine_there_is_nothing_to_dispatch_to():
    with override_settings(JOBS={}), pytest.raises(CommandError, match="names no engine"):
        call_command("jobdispatcher", "--once")
