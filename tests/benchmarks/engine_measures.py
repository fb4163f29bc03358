"""The measures of engines, one in a process: ``django_program tests.benchmarks.engine_measures NAME JSON``."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from django.db.models import Max
from django.utils import timezone

from jobs.db import clock
from jobs.db.connection import jobs_connection
from jobs.db.notify import notify_due
from jobs.models import Job
from tests.benchmarks.measure import completed, measure_waits, scheduling, told_file
from tests.benchmarks.models import BareJob
from tests.benchmarks.processes import MeasureFailed, print_measure, running, worker_command
from tests.benchmarks.rows import fill_jobs

PATIENCE_SECONDS: Final = 240
WARM_UP: Final = 20
ENGINE: Final = os.environ.get("BENCHMARK_ENGINE", "")
QUEUE: Final = f"{os.environ.get('BENCHMARK_QUEUE_PREFIX', '')}default"


@contextmanager
def programs(*, processes: int, dispatcher: bool) -> Iterator[None]:
    """Run the engine's workers, and a dispatcher where our jobs are measured."""
    celery = ("-m", "celery", "--app=tests.system.engines.celeryapp", "worker", "--loglevel=WARNING")
    commands = {
        "embedded": [worker_command(threads=processes)],
        "tasks_db": [["manage.py", "db_worker", "--interval=0.1", "--no-startup-delay", "-v0"]] * processes,
        "celery": [[*celery, f"--concurrency={processes}", f"--queues={QUEUE}"]],
    }[ENGINE]
    if dispatcher and ENGINE != "embedded":
        commands = [["manage.py", "jobdispatcher"], *commands]
    with running(*commands):
        yield


def jobs_rate(*, jobs: int, processes: int) -> float:
    """Return jobs per second from the commit that creates them to the last finish, while all programs are idle."""
    with programs(processes=processes, dispatcher=True):
        for count in (WARM_UP, jobs):
            fill_jobs(count, action="benchmark_nothing")
            began = clock.read(jobs_connection())
            notify_due()
            wait_until(lambda: not Job.objects.active().exists())
    _, ended = completed(jobs)
    return jobs / (ended - began).total_seconds()


def bare_rate(*, jobs: int, processes: int) -> float:
    """Return the same of empty tasks with two updates of a row, from the first enqueue to the last finish."""
    from tests.benchmarks.bare_tasks import enqueue  # Celery is not on every machine

    with programs(processes=processes, dispatcher=False):
        for count in (WARM_UP, jobs):
            BareJob.objects.all().delete()
            rows = BareJob.objects.bulk_create([BareJob(status="scheduled") for _ in range(count)])
            began = timezone.now()
            for row in rows:
                enqueue("work", row.pk)
            wait_until(lambda: not BareJob.objects.exclude(status="completed").exists())
    return jobs / (BareJob.objects.aggregate(at=Max("finished_at"))["at"] - began).total_seconds()


def jobs_pick_up(*, samples: int) -> list[float]:
    """Return the milliseconds from just before COMMIT of a schedule to the action's first line, when all are idle."""
    schedule, path = scheduling(), told_file()
    with programs(processes=2, dispatcher=True):
        return measure_waits(schedule, path, samples=samples)


def bare_pick_up(*, samples: int) -> list[float]:
    """Return the same from just before an enqueue."""
    from tests.benchmarks.bare_tasks import enqueue  # Celery is not on every machine

    def send(sample: int) -> int:
        sent = time.monotonic_ns()
        enqueue("say", sample)
        return sent

    path = told_file()
    with programs(processes=2, dispatcher=False):
        return measure_waits(send, path, samples=samples)


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until ``condition`` is true, asking rarely, as each time costs the database what is measured."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise MeasureFailed("the engine did not run all jobs")
        time.sleep(0.02)


if __name__ == "__main__":
    print_measure({one.__name__: one for one in (jobs_rate, bare_rate, jobs_pick_up, bare_pick_up)})
