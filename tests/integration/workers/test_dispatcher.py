"""The dispatcher reserves jobs, sends them after the commit, and frees those that the engine did not take."""

import logging

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import override_settings

from jobs.models import Job, Worker
from jobs.processes.watchdog import WATCHDOG
from jobs.tasks import HandOverFailed
from jobs.workers.claim_order import WINDOW
from jobs.workers.dispatcher import JobDispatcher
from tests.support.execution import FakeEngine, ago, make_due_jobs, registered_action
from tests.support.factories import make_job, make_project

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_due_job_is_sent_after_the_commit_and_again_only_when_its_reservation_has_run_out(
    engine: FakeEngine, dispatcher: JobDispatcher
):
    job = make_job()
    make_job(due_at=ago(-60))

    sent = [dispatcher.dispatch_once(), dispatcher.dispatch_once()]
    Job.objects.filter(pk=job.pk).update(reserved_until=ago(1))
    sent.append(dispatcher.dispatch_once())

    assert sent == [1, 0, 1]
    assert (engine.took, engine.in_transaction) == ([job.pk] * 2, [False] * 2)


def test_jobs_that_the_engine_does_not_take_are_no_longer_reserved_and_delay_no_other_queue(
    engine: FakeEngine, dispatcher: JobDispatcher
):
    engine.refuses = {"elsewhere"}
    with registered_action(lambda _: None, name="elsewhere", queue="elsewhere"):
        broken = make_due_jobs(3, action="elsewhere")
        fine = make_job()

        with pytest.raises(HandOverFailed):
            dispatcher.dispatch_once()

    assert engine.took == [fine.pk]
    assert engine.calls == 2, "one failure is enough for a queue"
    assert set(Job.objects.unreserved()) == set(broken)


def test_a_queue_that_takes_nothing_hides_no_job_of_another_however_many_jobs_wait_for_it(
    engine: FakeEngine, dispatcher: JobDispatcher
):
    engine.refuses = {"elsewhere"}
    project = make_project()
    with registered_action(lambda _: None, name="elsewhere", queue="elsewhere"):
        make_due_jobs(WINDOW + 50, project=project, action="elsewhere")
        fine = make_due_jobs(5, project=project, due_at=ago(1))

        passes = [dispatcher._work_or_back_off() for _ in range(2)]

    assert sorted(engine.took) == [job.pk for job in fine]
    assert passes == [0, 0], "hidden jobs are searched for at once"


def test_while_the_engine_is_away_one_line_in_five_seconds_logs_it_without_its_text(
    engine: FakeEngine, caplog: pytest.LogCaptureFixture, dispatcher: JobDispatcher
):
    make_job()
    engine.refuses = {"touch"}

    with caplog.at_level(logging.WARNING, logger="jobs"):
        for _ in range(3):
            dispatcher._work_or_back_off()

    (line,) = [record.getMessage() for record in caplog.records]
    assert line.endswith("the engine takes no jobs: ConnectionError")


def test_a_drain_ends_when_all_due_jobs_are_sent(engine: FakeEngine):
    jobs = make_due_jobs(3)

    assert JobDispatcher(drain=True).run() == 0

    assert sorted(engine.took) == sorted(job.pk for job in jobs)
    assert not Worker.objects.exists()


def test_a_dispatcher_that_is_asked_to_stop_has_ten_seconds(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, dispatcher: JobDispatcher
):
    seconds: list[float] = []
    monkeypatch.setattr(WATCHDOG, "end_within", seconds.append)

    dispatcher.stop()
    dispatcher.stop()

    assert seconds == [9.5]


def test_a_dispatcher_that_is_stopped_sends_nothing_leaves_nothing_reserved_and_ends(
    engine: FakeEngine, dispatcher: JobDispatcher
):
    make_due_jobs(3)
    dispatcher.stop()

    dispatcher.dispatch_once()

    assert dispatcher.run() == 0
    assert engine.took == []
    assert Job.objects.unreserved().count() == 3


def test_once_dispatches_and_prints_how_many(engine: FakeEngine, capsys: pytest.CaptureFixture[str]):
    make_job()

    call_command("jobdispatcher", "--once")

    assert capsys.readouterr().out == "Dispatched 1 jobs.\n"


def test_once_fails_if_the_engine_is_away_and_prints_only_the_type_of_the_error(engine: FakeEngine):
    make_job()
    engine.refuses = {"touch"}

    with pytest.raises(CommandError, match="^the engine takes no jobs: ConnectionError$"):
        call_command("jobdispatcher", "--once")


def test_without_an_engine_the_command_fails():
    with override_settings(JOBS={}), pytest.raises(CommandError, match="names no engine"):
        call_command("jobdispatcher", "--once")
