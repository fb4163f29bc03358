"""The processes of a run: starts and replaces workers, API clients and the API's server, and records their faults."""

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Final

from django.db import DatabaseError, connection

from jobs import get_project_model
from jobs.db import clock
from jobs.models import Job
from jobs.services.tenants.api_keys import create_api_key
from tests.support.concurrency import until
from tests.support.factories import make_project
from tests.support.processes import EXIT_SECONDS, Process
from tests.system.chaos.api_server import ApiServer
from tests.system.chaos.apps import BUG, CONTROL, SHORTENED
from tests.system.chaos.attempt_log import ATTEMPTS
from tests.system.chaos.checker import Verdict, check
from tests.system.chaos.client import KEYS, PORT
from tests.system.chaos.evidence import Fault, Lifetime, claims_of, gather
from tests.system.chaos.faults import GO, mark_of_frozen
from tests.system.chaos.frozen import await_stop

PROJECTS: Final = 3
READY_SECONDS: Final = 180  # a worker takes a second to start, four of Celery on a busy computer more than 60
FINAL_COLUMNS: Final = tuple("status finished_at attempt crashes failures errors receipt progress_done".split())


class Worker(Process):
    """One ``manage.py jobworker``, or a worker of another engine."""

    ready_text: ClassVar[str] = "started with"
    lifetime: Lifetime

    @property
    def pids(self) -> list[int]:
        """The processes that run its jobs."""
        return [self.pid]

    @property
    def is_ready(self) -> bool:
        """Whether it lives and has started up; one that is killed while it imports proves nothing."""
        return self.is_alive and self.ready_text in self.log


class Cluster:
    """Processes on one database. Every process started and every fault that happens is recorded for the checker."""

    worker_type: ClassVar[type[Worker]] = Worker

    def __init__(self, directory: Path, *, seed: int, bug: str = "", threads: int = 2) -> None:
        self.random = random.Random(seed)
        self.workers: list[Worker] = []
        self.clients: list[Process] = []
        self.server: ApiServer | None = None
        self.faults: list[Fault] = []
        self.lifetimes: list[Lifetime] = []
        self.calls = directory / "calls"
        self._control = directory / "control"
        self.attempts = self._control / ATTEMPTS
        self._logs = directory / "logs"
        self._pids = directory / "pids"
        for made in (self.calls, self.attempts, self._control / "taken", self._logs, self._pids):
            made.mkdir(parents=True)
        self._api: dict[str, str] = {}
        self._environment = {CONTROL: str(self._control), BUG: bug}
        self._threads = threads
        self._started = 0
        self._finals: dict[int, dict[str, Any]] = {}

    def _log_path(self, kind: str) -> Path:
        self._started += 1
        return self._logs / f"{kind}-{self._started}.log"

    def worker_command(self) -> list[str]:
        return ["manage.py", "jobworker", f"--threads={self._threads}"]

    def start_worker(self, **environment: str) -> Worker:
        """Start a worker; it is ready about a second later."""
        lifetime = Lifetime(pid=0, started=now())
        log_path = self._log_path("worker")
        worker = self.worker_type(
            *self.worker_command(), log_path=log_path, environment={**self._environment, **environment}
        )
        worker.lifetime, lifetime.pid = lifetime, worker.pid
        self.lifetimes.append(lifetime)
        self.workers.append(worker)
        return worker

    def start_server(self, **environment: str) -> None:
        """Serve the API, and make a key for each project's organization."""
        environment = {**self._environment, **environment}
        self.server = ApiServer(self._pids, log_path=self._logs / "server.log", environment=environment)
        projects = get_project_model()._default_manager.all()
        keys = {project.key: create_api_key(organization=project.organization).secret for project in projects}
        self._api = {PORT: str(self.server.port), KEYS: json.dumps(keys)}

    def start_client(self, *, target: int, seed: str | None = None) -> Process:
        """Start a client that keeps about ``target`` jobs active; start the API if it is the first."""
        if self.server is None:
            self.start_server()
        log_path = self._log_path("client")
        arguments = (str(self.calls / log_path.stem), seed or str(self.random.getrandbits(32)), str(target))
        command = ("-m", "tests.support.django_program", "tests.system.chaos.client", *arguments)
        client = Process(*command, log_path=log_path, environment=self._api)
        self.clients.append(client)
        return client

    def replace_ended(self, *, workers: int, clients: int, target: int) -> None:
        self.record_ended()
        if self.server is not None:
            self.server.check_alive()
        while len(self.workers) < workers:
            self.start_worker()
        self.clients = [client for client in self.clients if client.is_alive]
        while len(self.clients) < clients:
            self.start_client(target=target)

    def await_workers(self) -> None:
        self.record_ended()
        until(lambda: all(worker.is_ready for worker in self.workers), seconds=READY_SECONDS, what="workers to be up")

    def record_ended(self) -> None:
        for worker in [worker for worker in self.workers if not worker.is_alive]:
            worker.lifetime.ended = worker.lifetime.ended or now()
            worker.lifetime.exit_status = worker.exit_status
            self.workers.remove(worker)

    def kill(self, worker: Worker) -> None:
        worker.kill()
        self._record_fault("random kill", worker=worker)
        self.record_ended()

    def kill_client(self, client: Process) -> None:
        client.kill()
        self._record_fault("client kill", pid=client.pid)

    def kill_server_process(self) -> None:
        if self.server is not None and (pids := self.server.worker_pids):
            pid = self.random.choice(pids)
            os.kill(pid, signal.SIGKILL)
            self._record_fault("server kill", pid=pid)

    def inject(self, place: str, fault: str) -> None:
        """Let the next process that reaches ``place`` meet ``fault``."""
        draft = self._control / f".{place}"
        draft.write_text(fault)
        draft.rename(self._control / place)

    def withdraw(self, place: str) -> None:
        """Take the fault back if no process has met it."""
        (self._control / place).unlink(missing_ok=True)

    def find_hit(self, place: str) -> int | None:
        """Return the process that has met the fault injected at ``place``; None if none has yet."""
        for path in (self._control / "taken").glob(f"{place}~*"):
            pid = int(path.name.split("~")[1])
            fault = path.read_text()
            path.unlink()
            worker = next((worker for worker in self.workers if worker.pid == pid), None)
            if fault == "kill" and worker:
                worker.wait()
            if fault == "freeze":
                await_stop(pid)
            if fault != "wait":
                self._record_fault(fault, worker=worker, place=place, pid=pid)
            return pid
        return None

    def let_go_on(self) -> None:
        (self._control / GO).touch()

    def wake(self, pid: int, *, since: datetime) -> None:
        worker = next(worker for worker in self.workers if worker.pid == pid)
        mark_of_frozen(self._control, pid).unlink()
        worker.send(signal.SIGCONT)
        worker.lifetime.frozen.append((since, now()))

    def stop(self, worker: Worker) -> Lifetime:
        """Stop a worker as a deployment does; return its lifetime, with the exit status and the time it took."""
        begun = time.monotonic()
        self._record_fault("term", worker=worker)
        worker.lifetime.stopped = now()
        try:
            worker.stop()
        except subprocess.TimeoutExpired:  # the checker finds that it took too long
            worker.kill()
        worker.lifetime.exit_seconds = time.monotonic() - begun
        self.record_ended()
        return worker.lifetime

    def stop_workers(self) -> list[Lifetime]:
        self.await_workers()
        return [self.stop(worker) for worker in list(self.workers)]

    def stop_together(self) -> None:
        """Send SIGTERM to all workers at the same time; kill those that have not ended in 20 s."""
        begun = time.monotonic()
        for worker in self.workers:
            self._record_fault("term", worker=worker)
            worker.lifetime.stopped = now()
            worker.send(signal.SIGTERM)
        while self.workers and time.monotonic() - begun < EXIT_SECONDS:
            for worker in self.workers:
                worker.lifetime.exit_seconds = time.monotonic() - begun
            self.record_ended()
            time.sleep(0.01)
        for worker in self.workers:
            worker.kill()
        self.record_ended()

    def _record_fault(self, kind: str, *, worker: Worker | None = None, place: str = "", pid: int = 0) -> None:
        at = now()
        if worker is not None and not worker.is_alive:
            worker.lifetime.ended = at
        pid = worker.pid if worker else pid
        claims = claims_of(worker.pids if worker else [])
        self.faults.append(Fault(at=at, kind=kind, place=place, pid=pid, claims=claims))

    def record_final_rows(self) -> None:
        """Record final rows as they are first read; none may change afterwards."""
        rows = Job.objects.filter(status__in=("completed", "failed", "cancelled")).order_by("-pk")[:500]
        for row in rows.values("pk", *FINAL_COLUMNS):
            self._finals.setdefault(row.pop("pk"), row)

    def drain(self, *, seconds: float) -> float:
        """End clients and API, and wait until no job is active; return how long that took, at most ``seconds``."""
        for client in self.clients:
            client.kill()
        if self.server is not None:
            self.server.stop()  # before the wait: calls that it has begun may still create jobs
        begun = time.monotonic()
        while Job.objects.active().exists() and time.monotonic() - begun < seconds:
            self.record_final_rows()
            time.sleep(0.1)
        return time.monotonic() - begun

    def check(self) -> Verdict:
        """Let the checker read what the run left; no process may be at work any more."""
        self.record_ended()
        return check(gather(self.calls, self.attempts, self._finals, self.faults, self.lifetimes))

    def close(self) -> None:
        for process in [*self.workers, *self.clients, *filter(None, [self.server])]:
            process.kill()


class ShortenedCluster(Cluster):
    """Its workers make the waits between attempts, and the watchdog's, short.

    Their beat is a second: an answer that takes longer than a beat is an outage, and on a busy computer some take long.
    """

    def start_worker(self, **environment: str) -> Worker:
        times = {"CHAOS_BEAT_SECONDS": "1", "CHAOS_LEASE_SECONDS": "3"}
        return super().start_worker(**{SHORTENED: "1", **times, **environment})


@contextmanager
def running_cluster(directory: Path, *, seed: int = 1, of: type[Cluster] = Cluster, **options: Any) -> Iterator[Any]:
    """Yield a cluster with a few projects of different organizations; its processes end with the block."""
    if not Job.objects.exists():
        for _ in range(PROJECTS):
            make_project()
    cluster = of(directory, seed=seed, **options)
    try:
        yield cluster
    finally:
        cluster.close()


def now() -> datetime:
    """Return the database's time; connects again if the connection was cut."""
    try:
        return clock.read(connection)
    except DatabaseError:
        connection.close()
        return clock.read(connection)
