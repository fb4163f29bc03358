"""The engines that the tests run on, each as a host would run it."""

import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from tests.system.engines.processes import Program, Programs

if TYPE_CHECKING:
    from jobs.models import Job  # the benchmarks import this module without settings

BROKER_URL: Final = (
    os.environ.get("TEST_BROKER_URL") or os.environ.get("CELERY_BROKER_URL") or "amqp://guest:guest@127.0.0.1:5672//"
)
QUEUES: Final = ("default", "elsewhere")


class Engine:
    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ()
    # Whether a dispatcher sends jobs, so that a delivery can be lost or doubled.
    has_dispatcher: ClassVar[bool] = True

    def __init__(self, **environment: str) -> None:
        self.programs = Programs(self.name, **environment)

    @classmethod
    def missing(cls) -> str:
        """Return what this machine lacks to run it; empty: nothing."""
        lacking = [package for package in cls.packages if not find_spec(package)]
        return f"the package {', '.join(lacking)}" if lacking else ""

    def start_dispatcher(self) -> Program:
        dispatcher = self.programs.start("dispatcher", "-W", "error", "manage.py", "jobdispatcher")
        dispatcher.await_line("started dispatching")
        return dispatcher

    def start_worker(self, queue: str = "default") -> Program:
        """Start a worker of the engine, and wait until it takes jobs."""
        raise NotImplementedError

    def start(self) -> Program:
        """Start all that the engine needs to run jobs; return the worker."""
        if self.has_dispatcher:
            self.start_dispatcher()
        return self.start_worker()

    def deliver(self, job: "Job", *, times: int = 1) -> None:
        """Send the job to the engine, as if a dispatcher had done so once more."""
        self.programs.run("-m", "tests.support.django_program", "tests.system.engines.deliver", str(job.pk), str(times))

    def lose_all(self) -> int:
        """Delete what waits in the engine; return how many deliveries that were."""
        raise NotImplementedError

    def close(self) -> None:
        self.programs.close()


class Embedded(Engine):
    """``manage.py jobworker``: finds due jobs itself."""

    name = "embedded"
    has_dispatcher = False

    def start_worker(self, queue: str = "default") -> Program:
        worker = self.programs.start("worker", "manage.py", "jobworker", "--threads=2")
        worker.await_line("started with")
        return worker


class TasksDb(Engine):
    """django-tasks-db: tasks are rows of the same database."""

    name = "tasks_db"
    packages = ("django_tasks_db",)

    def start_worker(self, queue: str = "default") -> Program:
        options = ("--interval=0.1", "--no-startup-delay", f"--queue-name={queue}")
        worker = self.programs.start("worker", "manage.py", "db_worker", *options)
        worker.await_line("Starting worker")
        return worker

    def lose_all(self) -> int:
        from django_tasks_db.models import DBTaskResult  # not on every machine

        return DBTaskResult.objects.all().delete()[0]


class Celery(Engine):
    """Celery on RabbitMQ, through the backend in ``jobs.contrib.celery``."""

    name = "celery"
    packages = ("celery",)
    pool: ClassVar[str] = "prefork"

    def __init__(self, broker_url: str = BROKER_URL, *, prefix: str = "") -> None:
        self.prefix = prefix or f"jobs-test-{uuid4().hex[:12]}."
        super().__init__(TEST_BROKER_URL=broker_url, TEST_QUEUE_PREFIX=self.prefix)

    @classmethod
    def missing(cls) -> str:
        address = urlsplit(BROKER_URL)
        try:
            socket.create_connection((address.hostname or "127.0.0.1", address.port or 5672), timeout=5).close()
        except OSError as error:
            return super().missing() or f"RabbitMQ at {address.hostname}:{address.port}: {error}"
        return super().missing()

    def start_worker(self, queue: str = "default") -> Program:
        name = f"--hostname={uuid4().hex[:8]}@%h"  # two of one name refuse each other
        options = (f"--pool={self.pool}", "--concurrency=2", f"--queues={self.prefix}{queue}", "--loglevel=INFO", name)
        worker = self.programs.start(
            "worker", "-m", "celery", "--app=tests.system.engines.celeryapp", "worker", *options
        )
        worker.await_line(" ready.")
        return worker

    def lose_all(self) -> int:
        from amqp import NotFound  # not on every machine

        with self._queues(self.prefix) as (queue, _), suppress(NotFound):  # the first message makes the queue
            return int(queue.purge())
        return 0

    def close(self) -> None:
        super().close()
        self.delete_queues(self.prefix)

    @classmethod
    def delete_queues(cls, prefix: str) -> None:
        with cls._queues(prefix) as queues:
            for queue in queues:
                queue.delete()

    @staticmethod
    @contextmanager
    def _queues(prefix: str) -> Iterator[list[Any]]:
        from kombu import Connection, Queue  # not on every machine

        with Connection(BROKER_URL) as connection, closing(connection.channel()) as channel:
            names = [prefix + name for name in QUEUES]
            yield [Queue(name, channel=channel) for name in names]


class CelerySolo(Celery):
    """Celery without a pool of processes: jobs run in the process that receives SIGTERM."""

    pool = "solo"


ENGINES: Final = (Embedded, TasksDb, Celery)


@contextmanager
def closing_engine(engine: Engine) -> Iterator[Any]:
    """Close the engine when the block ends, and print the logs of its programs."""
    try:
        yield engine
    finally:
        for program in engine.programs.all:
            print(f"---- {program.log_path.name}\n{program.log}")
        engine.close()


def check_available(engine: type[Engine]) -> None:
    """Skip the test where the machine lacks what it needs; on a build server that is a failure."""
    if lacking := engine.missing():
        if os.environ.get("CI"):
            pytest.fail(f"{engine.name} cannot be tested without {lacking}")
        pytest.skip(f"{engine.name}: this machine lacks {lacking}")
