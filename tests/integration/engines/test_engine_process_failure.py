"""An engine process in which a thread of ours fails keeps no lease, and the engine goes on with another one."""

import threading
from typing import Any, Final, NoReturn

import pytest

from jobs import JobContext
from jobs.engines import engine_process
from jobs.engines.engine_process import EngineProcess
from jobs.execution import runner
from jobs.models import Job, JobEvent, Worker
from jobs.processes.releases import ReleaseQueue
from jobs.processes.threads import ThreadGroup
from jobs.status import Status
from tests.support.concurrency import InThread, until
from tests.support.deliveries import deliver, start_delivery, write_until_stopped
from tests.support.execution import registered_action, write_in_chunk
from tests.support.factories import make_job
from tests.support.hostapp.models import Ledger

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_engine_process")]

_threads: Final[list[tuple[ThreadGroup, threading.Thread]]] = []


def test_a_job_whose_thread_fails_is_released_and_the_next_delivery_starts_another_process(
    errors: list[str], monkeypatch: pytest.MonkeyPatch
):
    first = engine_process.current()

    with registered_action(write_in_chunk) as name, monkeypatch.context() as patched:
        patched.setattr(EngineProcess, "_run_claimed", run_out_of_memory)
        job = deliver(make_job(action=name))
        until_released(job)
        patched.undo()
        deliver(job)

    assert (job.status, job.attempt, job.failures, job.crashes) == (Status.COMPLETED, 2, 0, 0)
    assert job.worker != first.name
    until_ended(first)
    until(lambda: errors, what="its error to reach Python")
    assert errors == ["MemoryError"]
    assert engine_process.current().name == job.worker, "the failed process has not ended its successor"


def test_a_job_whose_outcome_our_own_code_cannot_record_is_left_to_the_rescuer_and_the_process_goes_on(
    errors: list[str], monkeypatch: pytest.MonkeyPatch
):
    first = engine_process.current()
    with registered_action(write_in_chunk) as name:
        job, following = make_job(action=name), make_job(action=name)
        with monkeypatch.context() as patched:
            patched.setattr(runner, "run", run_out_of_memory)
            deliver(job)
        deliver(following)
        until(lambda: Job.objects.expired().exists(), what="the lease to run out")

    job.refresh_from_db()
    assert (job.status, job.worker, errors) == (Status.RUNNING, first.name, [])
    assert (following.status, following.worker) == (Status.COMPLETED, first.name)


@pytest.mark.usefixtures("errors")
@pytest.mark.parametrize(
    ("owner", "method"), [(EngineProcess, "_beat"), (EngineProcess, "_watch"), (ReleaseQueue, "release_all")]
)
def test_a_process_that_loses_one_of_its_threads_releases_what_runs(
    owner: type, method: str, monkeypatch: pytest.MonkeyPatch
):
    calls: list[str] = []

    def fail_once(self: Any) -> None:
        if self in (first, first._releases) and may_fail.is_set() and not calls:
            calls.append(method)
            run_out_of_memory()
        work(self)

    may_fail, work = threading.Event(), getattr(owner, method)
    monkeypatch.setattr(owner, method, fail_once)
    first = EngineProcess()
    monkeypatch.setattr(engine_process, "_process", first)
    first.start()
    with registered_action(write_until_stopped) as name:
        job = make_job(action=name)
        delivery = start_delivery(job)
        may_fail.set()
        delivery.result()

    until_ended(first)
    job.refresh_from_db()
    assert (job.status, job.failures, job.crashes) == (Status.SCHEDULED, 0, 0)
    assert engine_process._process is not first


@pytest.mark.usefixtures("errors")
def test_a_job_that_reaches_no_chunk_is_taken_from_a_process_that_failed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(engine_process, "NEXT_CHUNK_SECONDS", 0.2)
    first, begun, let_go = engine_process.current(), threading.Event(), threading.Event()

    def wait_then_write(context: JobContext) -> None:
        begun.set()
        let_go.wait()
        write_in_chunk(context)

    with registered_action(wait_then_write) as name:
        job = make_job(action=name)
        delivery = InThread(lambda: deliver(job))
        begun.wait(10)
        with monkeypatch.context() as patched:
            patched.setattr(EngineProcess, "_run_claimed", run_out_of_memory)
            deliver(make_job(action=name))
        until_released(job)
        let_go.set()
        delivery.result()

    until_ended(first)
    job.refresh_from_db()
    assert (job.status, job.crashes, Ledger.objects.count()) == (Status.SCHEDULED, 0, 0)


@pytest.fixture(autouse=True)
def _note_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    start: Any = ThreadGroup.start

    def note(self: ThreadGroup, work: Any, name: str) -> threading.Thread:
        thread: threading.Thread = start(self, work, name)
        _threads.append((self, thread))
        return thread

    _threads.clear()
    monkeypatch.setattr(ThreadGroup, "start", note)


@pytest.fixture
def errors(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The types of the errors that ended threads; Python would print them."""
    types: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda hook: types.append(hook.exc_type.__name__))
    return types


def run_out_of_memory(*_: Any, **__: Any) -> NoReturn:
    raise MemoryError


def until_released(job: Job) -> None:
    until(lambda: job.events.filter(what=JobEvent.What.RELEASED).exists(), what="the job to be released")


def until_ended(process: EngineProcess) -> None:
    """Wait until nothing of the process is left: no heartbeat, no thread, and so no connection."""

    def has_ended() -> bool:
        threads = [thread for group, thread in _threads if group is process._thread_group]
        is_alive = any(thread.is_alive() for thread in threads)
        return not is_alive and not Worker.objects.filter(name=process.name).exists()

    until(has_ended, what="the failed process to end")
