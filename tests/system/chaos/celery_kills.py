"""Random kills through Celery on RabbitMQ: of dispatchers, Celery workers and the processes that run their jobs."""

import os
import signal
from pathlib import Path
from typing import Any, ClassVar, Final
from uuid import uuid4

from tests.support.processes import Process
from tests.system.chaos.cluster import Cluster, Worker, now, running_cluster
from tests.system.chaos.evidence import Fault, Lifetime, claims_of
from tests.system.chaos.worker_faults import await_load, conclude, pause_between_kills, report_progress
from tests.system.engines.engines import BROKER_URL, Celery

DISPATCHERS: Final = 2
# Of ten faults: three of a worker's children, one of a dispatcher, else of a whole worker.
CHILD_SHARE: Final = 0.3
DISPATCHER_SHARE: Final = 0.1


class CeleryWorker(Worker):
    """A Celery worker with its children, which run the jobs."""

    ready_text: ClassVar[str] = " ready."
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


class CeleryCluster(Cluster):
    """Keeps dispatchers running as well; a worker's child has a lifetime of its own in the evidence."""

    worker_type: ClassVar[type[Worker]] = CeleryWorker

    def __init__(self, directory: Path, *, prefix: str, **options: Any) -> None:
        super().__init__(directory, **options)
        self._environment |= {"CHAOS_QUEUE_PREFIX": prefix, "TEST_BROKER_URL": BROKER_URL}
        self._queue = f"{prefix}default"
        self.dispatchers: list[Process] = []
        self._children: dict[int, Lifetime] = {}

    def worker_command(self) -> list[str]:
        name = f"w{self._started}@%h"  # two of one name refuse each other
        options = (f"--queues={self._queue}", f"--concurrency={self._threads}", f"--hostname={name}")
        return ["-m", "celery", "--app=tests.system.engines.celeryapp", "worker", "--loglevel=INFO", *options]

    def replace_ended(self, *, workers: int, clients: int, target: int) -> None:
        """Start workers, clients and dispatchers until there are so many."""
        self.dispatchers = [dispatcher for dispatcher in self.dispatchers if dispatcher.is_alive]
        while len(self.dispatchers) < DISPATCHERS:
            log_path = self._log_path("dispatcher")
            dispatcher = Process("manage.py", "jobdispatcher", log_path=log_path, environment=self._environment)
            self.dispatchers.append(dispatcher)
        super().replace_ended(workers=workers, clients=clients, target=target)

    def record_ended(self) -> None:
        for worker in self.workers:
            for pid in worker.pids:
                if pid not in self._children:
                    self._children[pid] = Lifetime(pid=pid, started=worker.lifetime.started)
                    self.lifetimes.append(self._children[pid])
        super().record_ended()
        for pid, lifetime in self._children.items():
            if lifetime.ended is None and not Path(f"/proc/{pid}").exists():
                lifetime.ended = now()

    def kill_child(self, worker: Worker) -> None:
        """Kill one of the processes that run a worker's jobs; the worker starts another."""
        alive = [pid for pid in worker.pids if Path(f"/proc/{pid}").exists()]
        if alive:
            pid = self.random.choice(alive)
            os.kill(pid, signal.SIGKILL)
            self.faults.append(Fault(at=now(), kind="kill", pid=pid, claims=claims_of([pid])))

    def may_lose_a_dispatcher(self) -> bool:
        """Whether all are ready: dispatchers that all die young rescue nobody's job."""
        return all("started dispatching" in dispatcher.log for dispatcher in self.dispatchers)

    def kill_dispatcher(self) -> None:
        dispatcher = self.random.choice(self.dispatchers)
        dispatcher.kill()
        self.faults.append(Fault(at=now(), kind="dispatcher kill", pid=dispatcher.pid))

    def close(self) -> None:
        super().close()
        for dispatcher in self.dispatchers:
            dispatcher.kill()


def kills(directory: Path, *, count: int, seed: int) -> dict[str, Any]:
    """Kill workers, their children and dispatchers again and again, while jobs keep coming."""
    if lacking := Celery.missing():
        return {"is_clean": True, "faults": {}, "left_out": {"celery": f"this machine lacks {lacking}"}, "seed": seed}
    engine = Celery(prefix=f"jobs-chaos-{uuid4().hex[:12]}.")
    try:
        with running_cluster(directory, seed=seed, of=CeleryCluster, prefix=engine.prefix) as cluster:
            for done in range(count):
                await_load(cluster)
                share = cluster.random.random()
                worker = cluster.random.choice([worker for worker in cluster.workers if worker.is_ready])
                if share < DISPATCHER_SHARE and cluster.may_lose_a_dispatcher():
                    cluster.kill_dispatcher()
                elif share < DISPATCHER_SHARE + CHILD_SHARE:
                    cluster.kill_child(worker)
                else:
                    cluster.kill(worker)
                cluster.record_final_rows()
                report_progress("kills through celery", done + 1, count)
                pause_between_kills(cluster)
            return conclude(cluster, seed)
    finally:
        engine.close()
