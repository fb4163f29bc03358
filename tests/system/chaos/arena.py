"""The processes of a run: started, hit by faults, and replaced; all of it is written down."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from django.db import DatabaseError, connection

from jobs import get_project_model
from jobs.db import clock
from jobs.models import Job
from jobs.services.tenants.api_keys import create_api_key
from tests.support.source import ROOT
from tests.system.chaos.apps import BUG, CONTROL
from tests.system.chaos.client import KEYS, PORT
from tests.system.chaos.evidence import Evidence, Fault, Life, gather, held_by
from tests.system.chaos.faults import GO, mark_of_frozen
from tests.system.chaos.server import ApiServer

TICK_SECONDS: Final = 0.01
EXIT_SECONDS: Final = 12
STOP_SECONDS: Final = 20
FREE_SECONDS: Final = 0.5
SEEN: Final = ("status", "finished_at", "attempt", "crashes", "failures", "errors", "receipt", "progress_done")


class Stalled(Exception):
    """What the run waited for did not come."""


class Process:
    """A worker or a client, with its log in a file."""

    def __init__(self, command: list[str], *, log: Path, environment: dict[str, str]) -> None:
        self.log = log
        with log.open("ab") as output:
            self.popen = subprocess.Popen(
                [sys.executable, *command], cwd=ROOT, env={**os.environ, **environment}, stdout=output, stderr=output
            )
        self.pid = self.popen.pid

    @property
    def is_alive(self) -> bool:
        return self.popen.poll() is None

    def end(self, signum: signal.Signals) -> int:
        """Send a signal and wait for the end."""
        self.popen.send_signal(signum)
        return self.popen.wait(EXIT_SECONDS)


class Worker(Process):
    """One ``manage.py jobworker``, or a worker of another engine."""

    life: Life
    sign = b"started with"  # its log's words once it is at work

    @property
    def pids(self) -> list[int]:
        """The processes that run its jobs."""
        return [self.pid]


class Arena:
    """Keeps ``workers`` and ``clients`` alive; every fault that happens is noted with what its process held."""

    def __init__(self, directory: Path, *, seed: int, bug: str = "", threads: int = 2) -> None:
        self.random = random.Random(seed)
        self.workers: list[Worker] = []
        self.clients: list[Process] = []
        self.server: ApiServer | None = None
        self.faults: list[Fault] = []
        self.lives: list[Life] = []
        self.records = directory / "records"
        self._control = directory / "control"
        self._logs = directory / "logs"
        self._pids = directory / "pids"
        for made in (self.records, self._control / "taken", self._logs, self._pids):
            made.mkdir(parents=True)
        self._api: dict[str, str] = {}
        self._environment = {CONTROL: str(self._control), BUG: bug}
        self._threads = threads
        self._started = 0
        self._finals: dict[int, dict[str, Any]] = {}

    def start_worker(self, **environment: str) -> Worker:
        """Start a worker; it is at work about a second later."""
        life = Life(pid=0, started=now())
        self._started += 1
        command = ["manage.py", "jobworker", f"--threads={self._threads}"]
        log = self._logs / f"worker-{self._started}.log"
        worker = Worker(command, log=log, environment={**self._environment, **environment})
        worker.life, life.pid = life, worker.pid
        self.lives.append(life)
        self.workers.append(worker)
        return worker

    def start_server(self, **environment: str) -> None:
        """Serve the API, and make the keys that open it."""
        environment = {**self._environment, **environment}
        self.server = ApiServer(self._pids, log=self._logs / "server.log", environment=environment)
        projects = get_project_model()._default_manager.all()
        keys = {project.key: create_api_key(organization=project.organization).secret for project in projects}
        self._api = {PORT: str(self.server.port), KEYS: json.dumps(keys)}

    def start_client(self, *, target: int, seed: str | None = None) -> Process:
        """Start a caller that keeps about ``target`` jobs active, and the API if it is the first."""
        if self.server is None:
            self.start_server()
        self._started += 1
        record = self.records / f"client-{self._started}"
        words = [str(record), seed or str(self.random.getrandbits(32)), str(target)]
        log = self._logs / f"client-{self._started}.log"
        client = Process(["-m", "tests.system.chaos.client", *words], log=log, environment=self._api)
        self.clients.append(client)
        return client

    def replace(self, *, workers: int, clients: int, target: int) -> None:
        """Start anew what has ended."""
        self.note_ended()
        if self.server is not None:
            self.server.check_alive()
        while len(self.workers) < workers:
            self.start_worker()
        self.clients = [client for client in self.clients if client.is_alive]
        while len(self.clients) < clients:
            self.start_client(target=target)

    def note_ended(self) -> None:
        """Write down which workers have ended."""
        for worker in [worker for worker in self.workers if not worker.is_alive]:
            worker.life.ended = worker.life.ended or now()
            worker.life.exit_status = worker.popen.returncode
            self.workers.remove(worker)

    def kill(self, worker: Worker) -> None:
        """End it as a power cut would."""
        worker.end(signal.SIGKILL)
        self._note("random kill", "", worker)
        self.note_ended()

    def kill_client(self, client: Process) -> None:
        """End a caller between any two steps."""
        client.end(signal.SIGKILL)
        self.faults.append(Fault(at=now(), how="client kill", place="", pid=client.pid, held=()))

    def kill_server(self) -> None:
        """End one of the processes that answer calls, whatever it is doing."""
        if self.server is not None and (pids := self.server.pids):
            pid = self.random.choice(pids)
            os.kill(pid, signal.SIGKILL)
            self.faults.append(Fault(at=now(), how="server kill", place="", pid=pid, held=()))

    def order(self, place: str, fault: str) -> None:
        """Let the next process that reaches ``place`` meet ``fault``."""
        draft = self._control / f".{place}"
        draft.write_text(fault)
        draft.rename(self._control / place)

    def withdraw(self, place: str) -> None:
        """Take the order back if nobody has met it."""
        (self._control / place).unlink(missing_ok=True)

    def taken(self, place: str) -> int | None:
        """Return the process that met a new fault at ``place``, once it has."""
        for path in (self._control / "taken").glob(f"{place}~*"):
            pid = int(path.name.split("~")[1])
            fault = path.read_text()
            path.unlink()
            worker = next((worker for worker in self.workers if worker.pid == pid), None)
            if fault == "kill" and worker:
                worker.popen.wait(EXIT_SECONDS)
            if fault == "freeze":
                await_stop(pid)
            if fault != "hold":
                self._note(fault, place, worker, pid)
            return pid
        return None

    def go_on(self) -> None:
        """Let those that were told to hold go on."""
        (self._control / GO).touch()

    def wake(self, pid: int, *, since: datetime) -> None:
        """Let a frozen process go on."""
        worker = next(worker for worker in self.workers if worker.pid == pid)
        mark_of_frozen(self._control, pid).unlink()
        worker.popen.send_signal(signal.SIGCONT)
        worker.life.asleep.append((since, now()))

    def terminate(self, worker: Worker) -> None:
        """Ask it to end; note how long it took and what it said."""
        begun = time.monotonic()
        self._note("term", "", worker)
        worker.life.exit_status = worker.end(signal.SIGTERM)
        worker.life.exit_seconds = time.monotonic() - begun
        self.note_ended()

    def _note(self, how: str, place: str, worker: Worker | None, pid: int = 0) -> None:
        at = now()
        if worker is not None:
            pid = worker.pid
            if not worker.is_alive:
                worker.life.ended = at
        self.faults.append(Fault(at=at, how=how, place=place, pid=pid, held=held_by(worker.pids) if worker else ()))

    def look(self) -> None:
        """Note final rows as they are first seen; none may change any more."""
        rows = Job.objects.filter(status__in=("completed", "failed", "cancelled")).order_by("-pk")[:500]
        for row in rows.values("pk", *SEEN):
            self._finals.setdefault(row.pop("pk"), row)

    def drain(self, *, seconds: float) -> float:
        """End callers and API, and wait until no job is active; return how long that took, at most ``seconds``."""
        for client in self.clients:
            if client.is_alive:
                client.end(signal.SIGKILL)
        if self.server is not None:
            self.server.stop()  # first: what it has begun may still become a job
        begun = time.monotonic()
        while Job.objects.active().exists() and time.monotonic() - begun < seconds:
            self.look()
            time.sleep(TICK_SECONDS * 10)
        return time.monotonic() - begun

    def evidence(self) -> Evidence:
        """Gather what the run left; to be called when no process is at work any more."""
        self.note_ended()
        return gather(self.records, self._finals, self.faults, self.lives)

    def close(self) -> None:
        """End every process that is left."""
        for process in [*self.workers, *self.clients]:
            if process.is_alive:
                process.popen.kill()
                process.popen.wait()
        if self.server is not None:
            self.server.kill()


def now() -> datetime:
    """Return the database's time; tries again if that connection was cut."""
    try:
        return clock.read(connection)
    except DatabaseError:
        connection.close()
        return clock.read(connection)


def await_stop(pid: int) -> None:
    """Wait until a process that freezes has stopped; on SQLite, with none of its threads holding the only write lock.

    Frozen with it, nobody else could write until it wakes: a known limit, and not what a freeze is to show.
    """
    while True:
        until(lambda: has_stopped(pid), seconds=STOP_SECONDS, what="a process to stop")
        if connection.vendor != "sqlite" or is_free_to_write():
            return
        os.kill(pid, signal.SIGCONT)


def has_stopped(pid: int) -> bool:
    """Whether all threads of a process have stopped since this was last true."""
    return os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG) is not None


def is_free_to_write() -> bool:
    """Whether SQLite's write lock can be had."""
    own = sqlite3.connect(connection.settings_dict["NAME"], timeout=FREE_SECONDS, isolation_level=None)
    try:
        own.execute("BEGIN IMMEDIATE")
        own.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        return False
    finally:
        own.close()
    return True


def until(condition: Any, *, seconds: float, what: str) -> Any:
    """Wait until ``condition`` answers something true, and return that.

    Raises:
        Stalled: it did not in ``seconds``.
    """
    end = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > end:
            raise Stalled(f"waited {seconds:g} s in vain for {what}")
        time.sleep(TICK_SECONDS)
    return answer
