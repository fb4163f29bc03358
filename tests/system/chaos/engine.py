"""The kill scene through Celery on RabbitMQ: dispatchers and workers of another engine, and the same checker."""

import os
import signal
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from tests.system.chaos.arena import Arena, Process, Worker, now, until
from tests.system.chaos.evidence import Fault, Life, held_by
from tests.system.chaos.runs import (
    START_SECONDS,
    are_up,
    arena_of,
    conclude,
    is_at_work,
    pause_between_kills,
    report_progress,
)
from tests.system.engines.engines import BROKER_URL, Celery

DISPATCHERS: Final = 2
# Of ten faults: three of a worker's children, one of a dispatcher, else of a whole worker.
CHILD_SHARE: Final = 0.3
DISPATCHER_SHARE: Final = 0.1


class CeleryWorker(Worker):
    """A Celery worker with its children, which run the jobs."""

    sign = b" ready."
    children: set[int]

    @property
    def pids(self) -> list[int]:
        """All children it has had; the kernel gives a number to another process much later."""
        try:
            listed = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        except OSError:
            listed = []
        self.children = {*getattr(self, "children", ()), *map(int, listed)}
        return sorted(self.children)


class CeleryArena(Arena):
    """Keeps dispatchers alive as well; what a worker's child has lived is noted like a worker's own life."""

    def __init__(self, directory: Path, *, prefix: str, **options: Any) -> None:
        super().__init__(directory, **options)
        self._environment |= {"CHAOS_QUEUE_PREFIX": prefix, "TEST_BROKER_URL": BROKER_URL}
        self._queue = f"{prefix}default"
        self.dispatchers: list[Process] = []
        self._children: dict[int, tuple[CeleryWorker, Life]] = {}

    def start_worker(self, **environment: str) -> Worker:
        """Start a Celery worker; it is at work some seconds later."""
        life = Life(pid=0, started=now())
        self._started += 1
        options = (f"--queues={self._queue}", f"--concurrency={self._threads}", f"--hostname=w{self._started}@%h")
        command = ["-m", "celery", "--app=tests.system.engines.celeryapp", "worker", "--loglevel=INFO", *options]
        log = self._logs / f"worker-{self._started}.log"
        worker = CeleryWorker(command, log=log, environment={**self._environment, **environment})
        worker.life, life.pid = life, worker.pid
        self.lives.append(life)
        self.workers.append(worker)
        return worker

    def replace(self, *, workers: int, clients: int, target: int) -> None:
        """Start anew what has ended, dispatchers too."""
        self.dispatchers = [dispatcher for dispatcher in self.dispatchers if dispatcher.is_alive]
        while len(self.dispatchers) < DISPATCHERS:
            self._started += 1
            log = self._logs / f"dispatcher-{self._started}.log"
            command = ["manage.py", "jobdispatcher"]
            self.dispatchers.append(Process(command, log=log, environment=self._environment))
        super().replace(workers=workers, clients=clients, target=target)

    def note_ended(self) -> None:
        """Write down which workers have ended, and their children with them."""
        for worker in self.workers:
            for pid in worker.pids:
                if pid not in self._children and isinstance(worker, CeleryWorker):
                    life = Life(pid=pid, started=worker.life.started)
                    self._children[pid] = (worker, life)
                    self.lives.append(life)
        super().note_ended()
        for pid, (_, life) in self._children.items():
            if life.ended is None and not Path(f"/proc/{pid}").exists():
                life.ended = now()

    def kill_child(self, worker: Worker) -> None:
        """End one of the processes that run a worker's jobs; the worker starts another."""
        alive = [pid for pid in worker.pids if Path(f"/proc/{pid}").exists()]
        if alive:
            pid = self.random.choice(alive)
            os.kill(pid, signal.SIGKILL)
            self.faults.append(Fault(at=now(), how="kill", place="", pid=pid, held=held_by([pid])))

    def may_lose_a_dispatcher(self) -> bool:
        """Whether all are at work: dispatchers that all die young rescue nobody's job."""
        return all(b"started dispatching" in dispatcher.log.read_bytes() for dispatcher in self.dispatchers)

    def kill_dispatcher(self) -> None:
        """End a dispatcher between any two steps."""
        dispatcher = self.random.choice(self.dispatchers)
        dispatcher.end(signal.SIGKILL)
        self.faults.append(Fault(at=now(), how="dispatcher kill", place="", pid=dispatcher.pid, held=()))

    def close(self) -> None:
        """End every process that is left."""
        super().close()
        for dispatcher in self.dispatchers:
            dispatcher.popen.kill()
            dispatcher.popen.wait()


def kills(directory: Path, *, count: int, seed: int) -> dict[str, Any]:
    """Kill workers, their children and dispatchers again and again, while jobs keep coming."""
    if lacking := Celery.missing():
        return {"is_clean": True, "faults": {}, "left_out": {"celery": f"this machine lacks {lacking}"}, "seed": seed}
    engine = Celery(prefix=f"jobs-chaos-{uuid4().hex[:12]}.")
    try:
        with arena_of(directory, seed, made_by=CeleryArena, prefix=engine.prefix) as arena:
            for done in range(count):
                until(lambda: are_up(arena), seconds=START_SECONDS, what="workers to be up")
                share = arena.random.random()
                worker = arena.random.choice([worker for worker in arena.workers if is_at_work(worker)])
                if share < DISPATCHER_SHARE and arena.may_lose_a_dispatcher():
                    arena.kill_dispatcher()
                elif share < DISPATCHER_SHARE + CHILD_SHARE:
                    arena.kill_child(worker)
                else:
                    arena.kill(worker)
                arena.look()
                report_progress("kills through celery", done + 1, count)
                pause_between_kills(arena)
            return conclude(arena, seed)
    finally:
        engine.close()
