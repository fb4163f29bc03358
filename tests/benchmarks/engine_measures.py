"""The measures of engines, one in a process: ``django_program tests.benchmarks.engine_measures NAME JSON``."""

import cProfile
import os
import pstats
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import psycopg
from django.db import connection
from django.db.models import Max
from django.utils import timezone

from jobs.actors import Actor
from jobs.db import clock
from jobs.db.connection import jobs_connection, limited_transaction, single_statement
from jobs.db.notify import notify_due
from jobs.lifecycle import transitions
from jobs.lifecycle.statements import Fence
from jobs.models import Job
from jobs.workers.worker import JobWorker
from tests.benchmarks import raw
from tests.benchmarks.measure import completed, measure_waits, scheduling, told_file
from tests.benchmarks.models import BareJob
from tests.benchmarks.processes import MeasureFailed, print_measure, running, worker_command
from tests.benchmarks.rows import fill_jobs

PATIENCE_SECONDS: Final = 240
WARM_UP: Final = 20
CLAIMED_AT_ONCE: Final = 200
WORKER: Final = Actor(kind="worker", name="benchmark")
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


def calls(*, jobs: int) -> dict[str, float]:
    """Return how many Python functions the thread that runs the jobs calls for each, by the layer they are of."""
    fill_jobs(jobs, action="benchmark_nothing")
    worker, profile = JobWorker(threads=1, drain=True), cProfile.Profile()
    run_jobs = worker._run_jobs
    worker._run_jobs = lambda: profile.runcall(run_jobs)  # type: ignore[method-assign]
    worker.run()
    completed(jobs)
    found: Counter[str] = Counter()
    stats: Any = pstats.Stats(profile)
    for (path, _, _), (_, number, *_) in stats.stats.items():
        found[layer_of(path)] += number
    return {layer: number / jobs for layer, number in found.most_common()}


def layer_of(path: str) -> str:
    """Return the package of a file: of this app, of the host's packages, or Python itself."""
    for package in ("django", "psycopg", "asgiref"):
        if f"/site-packages/{package}/" in path:
            return package
    _, own, rest = path.rpartition("/jobs/")
    return f"jobs/{rest.partition('/')[0]}" if own and "/site-packages/" not in path else "Python"


def server_cpu(*, jobs: int) -> dict[str, float]:
    """Return the CPU milliseconds of PostgreSQL's process for a job, by the statement; it must run on this machine."""
    found = {}
    for at_once in (1, 2, 4):
        fill_jobs(jobs, action="benchmark_nothing")
        ids, fences = list(Job.objects.order_by("pk").values_list("pk", flat=True)), []
        with connection.cursor():
            cpu = partial(cpu_of, connection.connection.info.backend_pid)
        token, before = uuid4(), cpu()
        for start in range(0, jobs, CLAIMED_AT_ONCE):
            with limited_transaction():
                taken = {"lease_token": token, "worker": WORKER, "lease": timedelta(hours=1)}
                transitions.claim(ids[start : start + CLAIMED_AT_ONCE], **taken)
        fences, claimed = [Fence(job_id=pk, lease_token=token) for pk in ids], cpu()
        for start in range(0, jobs, at_once):
            some, following = fences[start : start + at_once], fences[start + at_once : start + 2 * at_once]
            with single_statement():
                if at_once > 1:
                    transitions.complete_many(some, worker=WORKER, next_fences=following)
                else:
                    transitions.complete(*some, worker=WORKER, next_fence=next(iter(following), None))
        found["claimed, 200 at once"] = (claimed - before) / jobs
        found[f"completed and the next begun, {at_once} at once"] = (cpu() - claimed) / jobs
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as own:
        raw.fill(own, jobs)
        before = cpu_of(own.info.backend_pid)
        raw.claim_and_finish_all(own)
        found["hand-written loop"] = (cpu_of(own.info.backend_pid) - before) / jobs
    return found


def cpu_of(pid: int) -> float:
    """Return the CPU milliseconds that a process has used (Linux)."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6


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
    print_measure({one.__name__: one for one in (jobs_rate, bare_rate, jobs_pick_up, bare_pick_up, calls, server_cpu)})
