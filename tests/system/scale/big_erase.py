"""One user with millions of rows in three tables is erased: chunks, a cancel and its wait, memory of the worker."""

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg

from jobs import cancel_job, schedule_job
from jobs.models import Job, Worker
from tests.support.concurrency import until
from tests.support.factories import make_project
from tests.support.http_server import database_url
from tests.support.processes import Process
from tests.system.scale.callers import quantile, spread
from tests.system.scale.erase_rows import USER, count_of_all, count_of_user, fill
from tests.system.scale.findings import problems_of
from tests.system.scale.job_actions import CHUNKS
from tests.system.scale.usage import Watched

READY_SECONDS: Final = 60
LONGEST_SECONDS: Final = 7_200
QUIET_SECONDS: Final = 3
# Chunks aim at a tenth of a second; the limits leave room for a busy machine. Memory in kilobytes.
LIMITS: Final[dict[str, float]] = {
    **dict.fromkeys(("left", "lost_of_others", "removed_after_the_cancel", "not_counted"), 0),
    "chunk_p99_seconds": 1.0,
    "cancel_seconds": 2.0,
    "wait_p99_seconds": 1.0,
    "memory_growth": 32_768,
}


def run(directory: Path, *, rows: int) -> dict[str, Any]:
    """Erase ``rows`` rows of a user by two jobs, of which the first is cancelled; return figures, problems."""
    os.environ[CHUNKS] = str(directory / "chunks")
    with psycopg.connect(database_url(), autocommit=True) as connection:
        fill(connection, rows)
        others = count_of_all(connection) - rows
        print(f"{rows:,} rows of one user, {others:,} of others", flush=True)
        project = make_project()
        with running_worker(directory) as worker:
            watched = Watched(connection, "scale-worker")
            idle = watched.usage([worker.pid])
            first = schedule_job("scale_erase", project=project, reference_id=USER)
            cancelled = cancel_half_way(connection, first, rows)
            second = schedule_job("scale_erase", project=project, reference_id=USER)
            waits = probe(connection, second, rows)
            after = watched.usage([worker.pid])
        chunks = [float(line) for line in Path(os.environ[CHUNKS]).read_text().splitlines()]
        receipts = done_by(first) + done_by(second)
        seconds = seconds_of(second)
        figures = {
            "rows": rows,
            "statuses": [Job.objects.get(pk=job.pk).status for job in (first, second)],
            "left": count_of_user(connection),
            "lost_of_others": others - (count_of_all(connection) - count_of_user(connection)),
            "not_counted": abs(rows - receipts),
            **cancelled,
            "seconds": round(seconds, 1),
            "rows_per_second": round(done_by(second) / seconds),
            "chunks": len(chunks),
            "chunk_seconds": spread(chunks),
            "chunk_p99_seconds": round(quantile(chunks, 0.99), 3),
            "wait_seconds": spread(waits),
            "wait_p99_seconds": round(quantile(waits, 0.99), 3),
            "memory_idle": idle.memory,
            "memory_peak": after.peak,
            "memory_growth": after.peak - idle.memory,
        }
    return {"figures": figures, "problems": problems_of(figures, LIMITS)}


@contextmanager
def running_worker(directory: Path) -> Iterator[Process]:
    """Run a worker with one thread until the block ends; it is ready when the block begins."""
    command, environment = ("manage.py", "jobworker", "--threads=1"), {"PGAPPNAME": "scale-worker"}
    worker = Process(*command, log_path=directory / "worker.log", environment=environment)
    try:
        until(Worker.objects.exists, seconds=READY_SECONDS, what="the worker to be up")
        yield worker
    finally:
        worker.kill()


def cancel_half_way(connection: "psycopg.Connection[Any]", job: Job, rows: int) -> dict[str, Any]:
    """Cancel the job when it has removed some rows; return how long that took, and what was removed afterwards."""
    begun = Job.objects.filter(pk=job.pk, progress_done__gt=rows // 20)
    until(begun.exists, seconds=LONGEST_SECONDS, what="a twentieth of the rows to be erased")
    started = time.monotonic()
    cancel_job(job.pk, project=job.project)
    seconds = time.monotonic() - started
    left = count_of_all(connection)
    time.sleep(QUIET_SECONDS)
    removed = left - count_of_all(connection)
    return {"cancel_seconds": round(seconds, 3), "removed_after_the_cancel": removed}


def probe(connection: "psycopg.Connection[Any]", job: Job, rows: int) -> list[float]:
    """Update the job's row again and again until it has ended, as a cancel would; return the seconds each took."""
    update = "UPDATE jobs_job SET crashes = crashes WHERE id = %s RETURNING status, progress_done"
    waits: list[float] = []
    end, next_line = time.monotonic() + LONGEST_SECONDS, 0.0
    while time.monotonic() < end:
        begun = time.monotonic()
        row = connection.execute(update, [job.pk]).fetchone()
        assert row is not None, "nobody deletes jobs"
        if row[0] in ("completed", "failed"):
            return waits
        if row[0] == "running":
            waits.append(time.monotonic() - begun)
        if begun > next_line:
            print(f"{row[1]:,} of {rows:,} rows are erased", flush=True)
            next_line = begun + 30
        time.sleep(random.uniform(0.01, 0.05))
    raise TimeoutError("the erase did not end")


def seconds_of(job: Job) -> float:
    job.refresh_from_db()
    assert job.begun_at is not None, "it was begun"
    assert job.finished_at is not None, "it has ended"
    return (job.finished_at - job.begun_at).total_seconds()


def done_by(job: Job) -> int:
    """Return how many rows the job's receipt counts."""
    stores = Job.objects.values_list("receipt", flat=True).get(pk=job.pk)["stores"]
    return sum(store["done"] for store in stores.values())
