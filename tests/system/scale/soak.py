"""Long use: what a worker's and the web's memory, files, threads and connections grow by, and how tables bloat."""

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import psycopg

from jobs.services.tenants.api_keys import create_api_key
from tests.support.factories import make_project
from tests.support.http_server import database_url
from tests.support.processes import Process
from tests.system.chaos.api_server import ApiServer
from tests.system.scale.big_erase import running_worker
from tests.system.scale.callers import Caller, spread
from tests.system.scale.findings import problems_of
from tests.system.scale.job_actions import CHUNKS
from tests.system.scale.midnight import running_web
from tests.system.scale.midnight_rows import one
from tests.system.scale.usage import Usage, Watched, growth

PARTS: Final = 10
PAUSE_SECONDS: Final = 0.2
LONGEST_SECONDS: Final = 7_200
CALLERS: Final = 4
# Enough at once that every thread of the web has opened its connection before the count begins.
CALLERS_AT_FIRST: Final = 32
CALLS_AT_FIRST: Final = 40
TABLES: Final = ("jobs_job", "jobs_jobevent")
# Growth by 1,000 jobs or requests. Memory in kilobytes: a leak of one small object each time is more than that.
LIMITS: Final[dict[str, float]] = {
    "worker_memory_by_1000": 64,
    "web_memory_by_1000": 64,
    **{f"{who}_{what}_by_1000": 0.05 for who in ("worker", "web") for what in ("files", "threads", "connections")},
    **dict.fromkeys(("jobs_not_ended", "failed_calls"), 0),
    **{f"{table}_bloat": 2.0 for table in TABLES},
    **{f"{table}_indexes_bloat": 3.0 for table in TABLES},
}
# A tenth fails, a tenth erases a user without rows, the rest does nothing.
FILL: Final = """
    INSERT INTO jobs_job (project_id, action, reference_id, description, status, created_at, start_at, due_at,
                          attempt, crashes, failures, progress_done, receipt)
    SELECT %s, CASE n %% 10 WHEN 0 THEN 'scale_fail' WHEN 1 THEN 'scale_erase' ELSE 'scale_nothing' END, 'user-' || n,
           'Use the worker', 'scheduled', now(), now(), now(), 0, 0, 0, 0, '{}'
    FROM generate_series(1, %s) AS n
"""
NOT_ENDED: Final = "SELECT count(*) FROM jobs_job WHERE status NOT IN ('completed', 'failed')"
SIZE: Final = "SELECT pg_relation_size(%s::regclass), pg_indexes_size(%s::regclass)"


def run(directory: Path, *, jobs: int, requests: int) -> dict[str, Any]:
    """Let a worker run ``jobs`` jobs, then the web answer ``requests`` requests; return figures, problems."""
    os.environ[CHUNKS] = os.devnull
    with psycopg.connect(database_url(), autocommit=True) as connection:
        figures = {"jobs": jobs, **use_worker(directory, connection, jobs)}
        figures |= bloat(connection)
        figures |= {"requests": requests, **use_web(directory, connection, requests)}
    return {"figures": figures, "problems": problems_of(figures, LIMITS)}


def use_worker(directory: Path, connection: "psycopg.Connection[Any]", jobs: int) -> dict[str, Any]:
    """Give a worker one part of the jobs after the other; its usage is read after each."""
    project = make_project()
    with running_worker(directory) as worker:
        watched = Watched(connection, "scale-worker")
        usages = []
        for part in range(PARTS):
            connection.execute(FILL, [project.pk, jobs // PARTS])
            await_end(connection, worker)
            usages.append(watched.usage([worker.pid]))
            print(f"{jobs // PARTS * (part + 1):,} of {jobs:,} jobs have ended: {usages[-1]}", flush=True)
    return {"jobs_not_ended": one(connection, NOT_ENDED)[0], **growth("worker", usages, every=jobs // PARTS)}


def await_end(connection: "psycopg.Connection[Any]", worker: Process) -> None:
    end = time.monotonic() + LONGEST_SECONDS
    while one(connection, NOT_ENDED)[0]:
        if time.monotonic() > end or not worker.is_alive:
            raise TimeoutError(f"the worker did not end its jobs:\n{worker.log[-5_000:]}")
        time.sleep(PAUSE_SECONDS)


def use_web(directory: Path, connection: "psycopg.Connection[Any]", requests: int) -> dict[str, Any]:
    """Call the API from several threads; its processes' usage is read after each part of the calls."""
    project = make_project()
    called = {"project": project.key, "secret": create_api_key(organization=project.organization).secret, "pace": 0}
    with running_web(directory) as web:
        watched = Watched(connection, "scale-web")
        first = start_callers(web, CALLERS_AT_FIRST, count=CALLS_AT_FIRST, **called)
        for caller in first:
            caller.join()
        pids = web.worker_pids
        callers = start_callers(web, CALLERS, **called)
        usages = [
            usage_after(lambda: sum(caller.made for caller in callers), requests * (part + 1) // PARTS, watched, pids)
            for part in range(PARTS)
        ]
        for caller in callers:
            caller.ended.set()
            caller.join()
        is_same = web.worker_pids == pids
    seconds = [one for caller in callers for kind in caller.seconds.values() for one in kind]
    return {
        "failed_calls": sum(len(caller.problems) for caller in (*first, *callers)) + (0 if is_same else 1),
        "call_seconds": spread(seconds),
        **growth("web", usages, every=requests // PARTS),
    }


def start_callers(web: ApiServer, number: int, **called: Any) -> list[Caller]:
    callers = [Caller(web.port, **called) for _ in range(number)]
    for caller in callers:
        caller.start()
    return callers


def usage_after(made: Callable[[], int], count: int, watched: Watched, pids: Iterable[int]) -> Usage:
    end = time.monotonic() + LONGEST_SECONDS
    while made() < count:
        if time.monotonic() > end:
            raise TimeoutError(f"only {made()} of {count} calls were made")
        time.sleep(PAUSE_SECONDS)
    usage = watched.usage(pids)
    print(f"{made():,} calls: {usage}", flush=True)
    return usage


def bloat(connection: "psycopg.Connection[Any]") -> dict[str, Any]:
    """Return how many times as large tables and their indexes are as after they were written anew."""
    figures: dict[str, Any] = {}
    for table in TABLES:
        connection.execute(f"VACUUM {table}")
        size, indexes = one(connection, SIZE, table, table)
        connection.execute(f"VACUUM FULL {table}")
        least, least_indexes = one(connection, SIZE, table, table)
        figures |= {
            f"{table}_bytes": size,
            f"{table}_bloat": round(size / least, 2),
            f"{table}_indexes_bytes": indexes,
            f"{table}_indexes_bloat": round(indexes / least_indexes, 2),
        }
    return figures
