"""In an engine process the row decides what a delivery does, and nothing that the engine does can harm a job."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import Any

import pytest

from jobs import JobContext, cancel_job, tasks
from jobs.engines import engine_process
from jobs.lifecycle import transitions
from jobs.models import Job, Worker
from jobs.services.commands.pauses import pause_jobs
from jobs.status import Status
from tests.support.concurrency import InThread, until
from tests.support.deliveries import deliver, start_delivery, until_running, write_until_stopped
from tests.support.execution import ago, registered_action, write_in_chunk
from tests.support.factories import make_job, make_project, make_running_job
from tests.support.hostapp.models import Ledger

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_engine_process")]


def test_a_due_job_is_run_to_its_end():
    with registered_action(write_in_chunk) as name:
        job = deliver(make_job(action=name))

    assert (job.status, job.attempt, Ledger.objects.count()) == (Status.COMPLETED, 1, 1)
    assert job.worker == engine_process.current().name


def test_a_failure_is_recorded_and_not_raised_to_the_engine():
    def fail(_: JobContext) -> None:
        raise ValueError("ana@example.com")

    with registered_action(fail, max_attempts=1) as name:
        assert deliver(make_job(action=name)).status == Status.FAILED


@pytest.mark.parametrize(
    "make",
    [
        *(lambda status=status: make_job(status=status) for status in Status if status.is_final),
        make_running_job,
        lambda: make_job(due_at=ago(-60)),
    ],
    ids=[*(status.value for status in Status if status.is_final), "runs elsewhere", "not due"],
)
def test_a_delivery_of_a_job_that_must_not_run_changes_nothing(make: Callable[[], Job]):
    job = make()
    before = Job.objects.filter(pk=job.pk).values().get()

    deliver(job)

    assert Job.objects.filter(pk=job.pk).values().get() == before


def test_a_delivery_of_a_job_that_does_not_exist_does_nothing():
    InThread(lambda: tasks.run_job(987_654_321)).result()

    assert not Job.objects.exists()


@pytest.mark.parametrize("why", [(), ("action",), ("project",), ("action", "project"), "disabled"])
def test_a_paused_job_waits_and_can_be_dispatched_again_at_once(why: Any):
    job = make_job(reserved_until=ago(-60))
    if why == "disabled":
        type(job.project.organization).objects.update(disabled_at=ago(5))
    else:
        pause_jobs(reason="Maintenance", **{name: getattr(job, name) for name in why})

    deliver(job)

    assert (job.status, job.attempt, job.reserved_until) == (Status.SCHEDULED, 0, None)


def test_what_is_paused_elsewhere_stops_no_delivery():
    job, other = make_job(), make_project()
    pause_jobs(reason="Maintenance", project=other)
    pause_jobs(reason="Maintenance", action=job.action, project=other)
    with registered_action(write_in_chunk, name="other"):
        pause_jobs(reason="Maintenance", action="other")
        pause_jobs(reason="Maintenance", action="other", project=job.project)
    type(other.organization).objects.filter(pk=other.organization_id).update(disabled_at=ago(5))

    assert deliver(job).attempt == 1


def test_a_cancel_right_after_the_claim_ends_the_job_and_not_the_process(monkeypatch: pytest.MonkeyPatch):
    claim_one, process = transitions.claim_one, engine_process.current()

    def claim(job_id: int, **columns: Any) -> Job | None:
        claimed = claim_one(job_id, **columns)
        cancel_job(job_id, project=job.project)
        return claimed

    with registered_action(write_in_chunk) as name:
        job = make_job(action=name)
        with monkeypatch.context() as patched:
            patched.setattr(engine_process, "single_statement", nullcontext)  # else one commit has claim and cancel
            patched.setattr(transitions, "claim_one", claim)
            deliver(job)
        following = deliver(make_job(action=name))

    assert (job.status, Ledger.objects.filter(job_id=job.pk).count()) == (Status.CANCELLED, 0)
    assert (following.status, following.worker) == (Status.COMPLETED, process.name)


def test_a_process_that_is_asked_to_stop_releases_its_jobs_and_claims_no_more():
    asked = threading.Event()
    engine_process.stop_when(asked.is_set)
    with registered_action(write_until_stopped) as name:
        job, following = make_job(action=name), make_job(reserved_until=ago(-60))
        delivery = start_delivery(job)

        asked.set()
        delivery.result()
        deliver(following)

    assert_released(job)
    assert (following.attempt, following.reserved_until) == (0, None)


def test_a_signal_that_the_engine_handles_itself_releases_the_job_first():
    received: list[int] = []
    with handler(signal.SIGTERM, received.append), registered_action(write_until_stopped) as name:
        job = make_job(action=name)
        sender = send_when_running(job, signal.SIGTERM)
        tasks.run_job(job.pk)
        sender.result()

    assert received == [signal.SIGTERM]
    assert_released(job)


def test_an_exception_raised_into_the_engines_thread_releases_that_job_and_no_other():
    class TimeLimit(Exception):
        pass

    def interrupt(_: int) -> None:
        raise TimeLimit

    with handler(signal.SIGUSR1, interrupt), registered_action(write_until_stopped) as name:
        job = make_job(action=name)
        sender = send_when_running(job, signal.SIGUSR1)
        with pytest.raises(TimeLimit):
            tasks.run_job(job.pk)
        sender.result()
        with registered_action(write_in_chunk, name="next"):
            following = deliver(make_job(action="next"))

    assert_released(job)
    assert following.status == Status.COMPLETED


@contextmanager
def handler(signum: signal.Signals, handle: Callable[[int], None]) -> Iterator[None]:
    before = signal.signal(signum, lambda signum, _: handle(signum))
    try:
        yield
    finally:
        signal.signal(signum, before)


def send_when_running(job: Job, signum: signal.Signals) -> InThread[Any]:
    return InThread(lambda: (until_running(job), os.kill(os.getpid(), signum)))


def assert_released(job: Job) -> None:
    job.refresh_from_db()
    assert (job.status, job.attempt, job.crashes, job.failures) == (Status.SCHEDULED, 1, 0, 0)


def test_a_job_that_takes_longer_than_its_lease_keeps_it():
    def take_long(context: JobContext) -> None:
        time.sleep(1.5)
        write_in_chunk(context)

    with registered_action(take_long) as name:
        assert deliver(make_job(action=name)).status == Status.COMPLETED


def test_an_action_without_progress_loses_its_attempt_and_the_engine_gets_its_thread_back():
    let_go = threading.Event()

    with registered_action(lambda _: let_go.wait(), deadline=timedelta(milliseconds=200), max_attempts=1) as name:
        job = deliver(make_job(action=name))
        assert job.status == Status.FAILED
        assert job.errors == "The job made no progress for 0.2 seconds."
        with registered_action(write_in_chunk, name="next"):
            assert deliver(make_job(action="next")).status == Status.COMPLETED
        let_go.set()


def test_the_process_has_a_heartbeat_until_it_ends():
    deliver(make_job(status=Status.COMPLETED))
    until(Worker.objects.exists, what="a beat")

    (row,) = Worker.objects.all()
    engine_process.current().end()

    assert (row.name, row.kind) == (engine_process.current().name, Worker.Kind.ENGINE)
    assert not Worker.objects.exists()


def test_a_fork_starts_a_process_of_its_own():
    first = engine_process.current()

    engine_process._forget_in_fork()  # what os.fork() calls in the child

    second = engine_process.current()
    assert second is not first
    assert second.name != first.name
    first.end()
