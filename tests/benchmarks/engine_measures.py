"""One measure of one engine in a process of its own: ``python -m tests.benchmarks.engine_measures NAME JSON``."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import django

from tests.benchmarks.measure import told_file, wait_for_line
from tests.benchmarks.processes import END_SECONDS, ROOT, MeasureFailed

PATIENCE_SECONDS: Final = 240
WARM_UP: Final = 20
ENGINE: Final = os.environ.get("BENCHMARK_ENGINE", "")


@contextmanager
def programs(*, processes: int, dispatcher: bool) -> Iterator[None]:
    """Run the engine's workers, and a dispatcher where our jobs are measured."""
    commands = {
        "embedded": [["manage.py", "jobworker", f"--threads={processes}"]],
        "tasks_db": [["manage.py", "db_worker", "--interval=0.1", "--no-startup-delay", "-v0"]] * processes,
        "celery": [
            [
                *("-m", "celery", "--app=tests.system.engines.celeryapp", "worker", "--loglevel=WARNING"),
                *(f"--concurrency={processes}", f"--queues={os.environ.get('BENCHMARK_QUEUE_PREFIX', '')}default"),
            ]
        ],
    }[ENGINE]
    if dispatcher and ENGINE != "embedded":
        commands = [["manage.py", "jobdispatcher"], *commands]
    with ExitStack() as stack:
        for command in commands:
            stack.enter_context(_running([sys.executable, *command]))
        yield


@contextmanager
def _running(command: list[str]) -> Iterator[None]:
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def jobs_rate(*, jobs: int, processes: int) -> float:
    """Return jobs per second from the commit that creates them to the last finish, while all programs are idle."""
    from django.db.models import Max

    from jobs.db import clock
    from jobs.db.connection import jobs_connection
    from jobs.db.notify import notify_due
    from jobs.models import Job
    from tests.benchmarks.rows import fill_jobs

    with programs(processes=processes, dispatcher=True):
        for count in (WARM_UP, jobs):
            fill_jobs(count, action="benchmark_nothing")
            began = clock.read(jobs_connection())
            notify_due()
            until(lambda: not Job.objects.active().exists())
    done = Job.objects.filter(status="completed", attempt=1)
    if done.count() != jobs:
        raise MeasureFailed(f"{done.count()} of {jobs} jobs were completed at once")
    return jobs / (done.aggregate(at=Max("finished_at"))["at"] - began).total_seconds()


def bare_rate(*, jobs: int, processes: int) -> float:
    """Return the same of empty tasks with two updates of a row, from the first enqueue to the last finish."""
    from django.db.models import Max
    from django.utils import timezone

    from tests.benchmarks.bare_tasks import enqueue
    from tests.benchmarks.models import BareJob

    with programs(processes=processes, dispatcher=False):
        for count in (WARM_UP, jobs):
            BareJob.objects.all().delete()
            rows = BareJob.objects.bulk_create([BareJob(status="scheduled") for _ in range(count)])
            began = timezone.now()
            for row in rows:
                enqueue("work", row.pk)
            until(lambda: not BareJob.objects.exclude(status="completed").exists())
    return jobs / (BareJob.objects.aggregate(at=Max("finished_at"))["at"] - began).total_seconds()


def jobs_pick_up(*, samples: int) -> list[float]:
    """Return the milliseconds from just before COMMIT of a schedule to the action's first line, when all are idle."""
    from django.db import transaction

    from jobs import schedule_job
    from tests.benchmarks.rows import empty, make_project

    empty("jobs_jobevent", "jobs_job")
    project = make_project()

    def send(sample: int) -> int:
        with transaction.atomic():
            schedule_job("benchmark_pick_up", project=project, reference_id=str(sample))
            return time.monotonic_ns()

    return _pick_up(send, samples=samples, dispatcher=True)


def bare_pick_up(*, samples: int) -> list[float]:
    """Return the same from just before an enqueue."""
    from tests.benchmarks.bare_tasks import enqueue

    def send(sample: int) -> int:
        sent = time.monotonic_ns()
        enqueue("say", sample)
        return sent

    return _pick_up(send, samples=samples, dispatcher=False)


def _pick_up(send: Callable[[int], int], *, samples: int, dispatcher: bool) -> list[float]:
    seen, waits = told_file(), []
    with programs(processes=2, dispatcher=dispatcher):
        for sample in range(-2, samples):  # two to see that all are up
            sent = send(sample)
            name, began = wait_for_line(seen, sample + 3).split()
            assert name == str(sample), "one at a time"
            waits.append((int(began) - sent) / 1e6)
            time.sleep(random.uniform(0.05, 0.4))
    return waits[2:]


def until(condition: Callable[[], bool]) -> None:
    """Wait until ``condition`` holds.

    Raises:
        MeasureFailed: it never did.
    """
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise MeasureFailed("the engine did not run all jobs")
        time.sleep(0.02)


MEASURES: Final[dict[str, Any]] = {one.__name__: one for one in (jobs_rate, bare_rate, jobs_pick_up, bare_pick_up)}

if __name__ == "__main__":
    django.setup()
    print(json.dumps(MEASURES[sys.argv[1]](**json.loads(sys.argv[2]))))
