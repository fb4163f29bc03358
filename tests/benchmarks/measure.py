"""The measures of the worker, one a process: ``django_program tests.benchmarks.measure NAME JSON`` prints its figures.

``DATABASE_URL`` names the database, ``DJANGO_SETTINGS_MODULE`` the settings.
"""

import os
import random
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import Max, Min

from jobs import schedule_job
from jobs.models import Job
from jobs.services.reports.erase_preview import preview_erase
from tests.benchmarks import raw
from tests.benchmarks.models import HeardBasket
from tests.benchmarks.processes import MeasureFailed, drain, print_measure, running, worker_command
from tests.benchmarks.rows import empty, fill_baskets, fill_jobs, fill_visits, make_project

USER: Final = "user@example.com"
PATIENCE_SECONDS: Final = 300


def worker_rate(*, jobs: int, threads: int) -> float:
    """Return jobs per second, by the rows' own instants: from the first claim to the last finish."""
    fill_jobs(jobs, action="benchmark_nothing")
    drain(threads=threads)
    done, ended = completed(jobs)
    return (jobs - 1) / (ended - done.aggregate(begun=Min("started_at"))["begun"]).total_seconds()


def completed(jobs: int) -> tuple[Any, datetime]:
    """Return the completed jobs, and the instant of the last finish; all must have needed one attempt."""
    done = Job.objects.filter(status="completed", attempt=1)
    if done.count() != jobs:
        raise MeasureFailed(f"{done.count()} of {jobs} jobs were completed at once")
    return done, done.aggregate(at=Max("finished_at"))["at"]


def raw_rate(*, jobs: int, threads: int) -> float:
    return raw.rate(os.environ["DATABASE_URL"], jobs=jobs, threads=threads)


def pick_up(*, samples: int) -> list[float]:
    """Return the milliseconds from just before COMMIT of a schedule to the action's first line, for an idle worker."""
    schedule, path = scheduling(), told_file()
    with running(worker_command(threads=4)):
        return measure_waits(schedule, path, samples=samples)


def scheduling() -> Callable[[int], int]:
    """Return a function that schedules a job for a sample, and returns the clock's nanoseconds just before COMMIT."""
    empty("jobs_jobevent", "jobs_job")
    project = make_project()

    def schedule(sample: int) -> int:
        with transaction.atomic():
            schedule_job("benchmark_pick_up", project=project, reference_id=str(sample))
            return time.monotonic_ns()

    return schedule


def measure_waits(send: Callable[[int], int], path: Path, *, samples: int) -> list[float]:
    """Call ``send`` again and again; return the milliseconds from the instant it returns to the line in ``path``."""
    waits = []
    for sample in range(-2, samples):  # two to see that the processes are up
        sent = send(sample)
        name, began = wait_for_line(path, sample + 3).split()
        assert name == str(sample), "one at a time"
        waits.append((int(began) - sent) / 1e6)
        time.sleep(random.uniform(0.05, 0.4))
    return waits[2:]


# For each shape of an erase, what fills its tables, and the statements that a program of its own would send.
FILL_BASKETS: Final = partial(fill_baskets, "benchmarks_basket", "benchmarks_item")
FILL: Final[dict[str, Callable[[str, int], None]]] = {
    "plain": fill_visits,
    "map_plain": fill_visits,
    "cascade": FILL_BASKETS,
    "stores": FILL_BASKETS,
    "map_stores": FILL_BASKETS,
    "signals": partial(fill_baskets, "benchmarks_heardbasket", "benchmarks_hearditem"),
}
ITEMS: Final = "DELETE FROM {0}item WHERE basket_id IN (SELECT id FROM {0}basket WHERE user_id = %s)"
BASKETS: Final = "DELETE FROM {0}basket WHERE user_id = %s"
DELETE: Final = {
    "plain": ["DELETE FROM benchmarks_visit WHERE project_number = 1 AND user_id = %s"],
    "cascade": [sql.format("benchmarks_") for sql in (ITEMS, BASKETS)],
    "signals": [sql.format("benchmarks_heard") for sql in (ITEMS, BASKETS)],
}


def erase(*, shape: str, rows: int) -> dict[str, Any]:
    """Erase by a worker; return seconds, the longest chunk and the longest wait of a cancel-like UPDATE."""
    empty("jobs_jobevent", "jobs_job")
    FILL[shape](USER, rows)
    path = told_file()
    with running(worker_command(threads=1)):
        job = schedule_job(f"benchmark_erase_{shape}", project=make_project(), reference_id=USER)
        waits = probe(job.pk)
    job.refresh_from_db()
    # Rows that go by a cascade are not counted; the step that times a map's chunks is.
    done = rows // 4 if shape in ("cascade", "signals") else rows + shape.startswith("map")
    if job.status != "completed" or job.progress_done != done:
        raise MeasureFailed(f"the erase ended as {job.status} after {job.progress_done} rows")
    chunks = [float(line) for line in path.read_text().splitlines()]
    return {
        "seconds": (job.finished_at - job.begun_at).total_seconds(),
        "chunks": len(chunks),
        "longest_chunk": max(chunks),
        "longest_wait": max(waits, default=0.0),
    }


def preview(*, shape: str, rows: int) -> dict[str, Any]:
    """Count by a map what an erase would do; return the seconds."""
    FILL[shape](USER, rows)
    begun = time.monotonic()
    found = preview_erase(f"benchmark_erase_map_{shape}", project=make_project(), reference_id=USER)
    seconds = time.monotonic() - begun
    counted = sum(store.rows or 0 for store in found.stores)
    if counted != rows:
        raise MeasureFailed(f"{counted} of {rows} rows were counted")
    return {"seconds": seconds}


def raw_delete(*, shape: str, rows: int) -> dict[str, Any]:
    """Delete the same rows by one statement for each table, in one transaction."""
    FILL[shape](USER, rows)
    count, begun = 0, time.monotonic()
    with transaction.atomic(), connection.cursor() as cursor:
        for sql in DELETE[shape]:
            cursor.execute(sql, [USER])
            count += cursor.rowcount
    seconds = time.monotonic() - begun
    if count != rows:
        raise MeasureFailed(f"{count} of {rows} rows were deleted")
    return {"seconds": seconds}


def django_delete(*, rows: int) -> dict[str, Any]:
    """Delete the rows whose signals are heard by Django's own ``delete()``, all at once."""
    FILL["signals"](USER, rows)
    begun = time.monotonic()
    count, _ = HeardBasket.objects.filter(user_id=USER).delete()
    seconds = time.monotonic() - begun
    if count != rows:
        raise MeasureFailed(f"{count} of {rows} rows were deleted")
    return {"seconds": seconds}


def probe(job_id: int) -> list[float]:
    """Update the job's row again and again while it runs, as a cancel would; return the seconds each took."""
    update = "UPDATE jobs_job SET crashes = crashes WHERE id = %s RETURNING status"
    waits: list[float] = []
    until = time.monotonic() + PATIENCE_SECONDS
    with connection.cursor() as cursor:
        while time.monotonic() < until:
            begun = time.monotonic()
            cursor.execute(update, [job_id])
            (row,) = cursor.fetchall()  # to the end: on SQLite the statement keeps its lock until then
            if row[0] == "completed":
                return waits
            if row[0] == "running":
                waits.append(time.monotonic() - begun)
            time.sleep(random.uniform(0.01, 0.05))
    raise MeasureFailed("the erase did not end")


def told_file() -> Path:
    """Make the file that the actions of workers started from now on append lines to."""
    path = Path(tempfile.mkdtemp(), "told")
    path.touch()
    os.environ["BENCHMARK_FILE"] = str(path)
    return path


def wait_for_line(path: Path, number: int) -> str:
    """Return line ``number``, counted from 1, as soon as it is there."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        lines = path.read_text().splitlines()
        if len(lines) >= number:
            return lines[number - 1]
        time.sleep(0.002)
    raise MeasureFailed("the worker did not run a job")


if __name__ == "__main__":
    measures = (worker_rate, raw_rate, pick_up, erase, preview, raw_delete, django_delete)
    print_measure({one.__name__: one for one in measures})
