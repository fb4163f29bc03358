"""A process of another engine in which a thread of ours falls: nothing is held for ever, and the engine works on."""

import threading
from typing import Any, Final, NoReturn

import pytest

from jobs import JobContext, tasks
from jobs.engines import engine_process
from jobs.engines.engine_process import EngineProcess
from jobs.execution import runner
from jobs.models import Job, JobEvent, Worker
from jobs.processes.releases import ReleaseQueue
from jobs.processes.threads import ThreadGroup
from jobs.status import Status
from tests.integration.engines.test_engine_process import at_work, run, write_until_stopped
from tests.support.concurrency import InThread, until
from tests.support.execution import registered_action, write_in_chunk
from tests.support.factories import make_job
from tests.support.hostapp.models import Ledger

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_engine_process")]

_threads: Final[list[tuple[ThreadGroup, threading.Thread]]] = []


def test_a_job_whose_run_falls_is_given_back_and_the_next_one_finds_a_process_that_lives(
    fallen: list[str], monkeypatch: pytest.MonkeyPatch
):
    first = engine_process.current()

    with registered_action(write_in_chunk) as name, monkeypatch.context() as patched:
        patched.setattr(runner, "run", out_of_memory)
        job = run(make_job(action=name))
        until(lambda: given_back(job), what="the job to be given back")
        patched.undo()
        other = run(job)

    assert (other.status, other.attempt, other.failures, other.crashes) == (Status.COMPLETED, 2, 0, 0)
    assert other.worker != first.name
    until(lambda: has_ended(first), what="the fallen one to leave nothing behind")
    until(lambda: fallen, what="its error to be told")
    assert fallen == ["MemoryError"]
    assert engine_process.current().name == other.worker, "it forgot only itself"


def test_a_job_that_fells_its_process_again_and_again_is_left_to_the_sweep_which_counts(
    fallen: list[str], monkeypatch: pytest.MonkeyPatch
):
    first = engine_process.current()
    with registered_action(write_in_chunk) as name:
        job = make_job(action=name, attempt=runner.ATTEMPTS_FORGIVEN)
        monkeypatch.setattr(runner, "run", out_of_memory)
        run(job)
        until(lambda: has_ended(first), what="the fallen one to leave nothing behind")
        until(lambda: Job.objects.expired().exists(), what="the lease to run out: nobody renews it")

    job.refresh_from_db()
    assert (job.status, job.worker) == (Status.RUNNING, first.name)


@pytest.mark.parametrize(
    ("owner", "method"), [(EngineProcess, "_beat"), (EngineProcess, "_watch"), (ReleaseQueue, "release_all")]
)
def test_a_process_without_one_of_its_threads_releases_what_runs(
    owner: type, method: str, fallen: list[str], monkeypatch: pytest.MonkeyPatch
):
    calls: list[str] = []

    def fail_once(self: Any) -> None:
        if self in (first, first._releases) and told.is_set() and not calls:
            calls.append(method)
            out_of_memory()
        work(self)

    told, work = threading.Event(), getattr(owner, method)
    monkeypatch.setattr(owner, method, fail_once)
    first = EngineProcess()
    monkeypatch.setattr(engine_process, "_process", first)
    first.start()
    with registered_action(write_until_stopped) as name:
        job = make_job(action=name)
        engine = InThread(lambda: tasks.run_job(job.pk))
        until(lambda: at_work(job), what="the job to be at work")
        told.set()
        engine.result()

    until(lambda: has_ended(first), what="the fallen one to leave nothing behind")
    job.refresh_from_db()
    assert (job.status, job.failures, job.crashes) == (Status.SCHEDULED, 0, 0)
    assert engine_process._process is not first


def test_what_runs_on_without_a_chunk_is_taken_from_a_process_that_fell(
    fallen: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(engine_process, "NEXT_CHUNK_SECONDS", 0.2)
    first, begun, let_go = engine_process.current(), threading.Event(), threading.Event()

    def hold_on(context: JobContext) -> None:
        begun.set()
        let_go.wait()
        write_in_chunk(context)

    with registered_action(hold_on) as name:
        job = make_job(action=name)
        engine = InThread(lambda: tasks.run_job(job.pk))
        begun.wait(10)
        with monkeypatch.context() as patched:
            patched.setattr(runner, "run", out_of_memory)
            run(make_job(action=name))
        until(lambda: given_back(job), what="the job to be given back")
        let_go.set()
        engine.result()

    until(lambda: has_ended(first), what="the fallen one to leave nothing behind")
    job.refresh_from_db()
    assert (job.status, job.crashes, Ledger.objects.count()) == (Status.SCHEDULED, 0, 0)


@pytest.fixture(autouse=True)
def _note_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Note what crews start in the test."""
    start: Any = ThreadGroup.start

    def note(self: ThreadGroup, work: Any, name: str) -> threading.Thread:
        thread: threading.Thread = start(self, work, name)
        _threads.append((self, thread))
        return thread

    _threads.clear()
    monkeypatch.setattr(ThreadGroup, "start", note)


@pytest.fixture
def fallen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The types of the errors that threads ended by; Python would print them."""
    types: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda told: types.append(told.exc_type.__name__))
    return types


def out_of_memory(*_: Any, **__: Any) -> NoReturn:
    raise MemoryError


def given_back(job: Job) -> bool:
    return job.events.filter(what=JobEvent.What.RELEASED).exists()


def has_ended(process: engine_process.EngineProcess) -> bool:
    """Whether nothing of it is left: no row that says it lives, no thread, and so no connection."""
    return not Worker.objects.filter(name=process.name).exists() and not any(
        thread_group is process._thread_group and thread.is_alive() for thread_group, thread in _threads
    )
