"""One user with millions of rows that nothing refers to is erased, while another tenant calls the API."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg

from jobs import schedule_job
from jobs.services.tenants.api_keys import create_api_key
from tests.support.factories import make_project
from tests.support.http_server import database_url
from tests.system.chaos.api_server import ApiServer
from tests.system.scale.big_erase import LONGEST_SECONDS, done_by, running_worker, seconds_of
from tests.system.scale.callers import Caller, quantile, spread
from tests.system.scale.erase_rows import USER
from tests.system.scale.findings import problems_of
from tests.system.scale.job_actions import CHUNKS
from tests.system.scale.midnight import running_web
from tests.system.scale.midnight_rows import one
from tests.system.scale.usage import Usage, Watched

BEFORE_SECONDS: Final = 20
PACE_SECONDS: Final = 0.02
SAMPLE_SECONDS: Final = 0.05
FILL: Final = """
    INSERT INTO scale_upload (user_id, at, name)
    SELECT CASE WHEN n %% 11 = 0 THEN 'other-' || n ELSE %s END, now(), 'upload ' || n
    FROM generate_series(1, %s::bigint * 11 / 10) AS n
"""
JOB: Final = "SELECT status, progress_done FROM jobs_job WHERE id = %s"
# A writing transaction has an id; one that only reads has a snapshot at most.
OLDEST: Final = """
    SELECT coalesce(extract(epoch FROM max(clock_timestamp() - xact_start) FILTER (WHERE backend_xid IS NOT NULL)), 0),
           coalesce(extract(epoch FROM max(clock_timestamp() - xact_start)), 0)
    FROM pg_stat_activity WHERE application_name = 'scale-worker' AND datname = current_database()
"""
# Memory in kilobytes. A cancel waits for 5 s.
LIMITS: Final[dict[str, float]] = {
    **dict.fromkeys(("left", "not_counted", "failed_calls"), 0),
    "memory_growth": 8_192,
    "p95": 2.0,
    "longest_writing_transaction_seconds": 5.0,
}


def run(directory: Path, *, rows: int) -> dict[str, Any]:
    """Erase ``rows`` rows of a user; return figures, problems."""
    os.environ[CHUNKS] = str(directory / "chunks")
    with psycopg.connect(database_url(), autocommit=True) as connection:
        begun = time.monotonic()
        connection.execute(FILL, [USER, rows])
        connection.execute("VACUUM ANALYZE scale_upload")
        print(f"{rows:,} rows of one user, filled in {time.monotonic() - begun:.0f} s", flush=True)
        with running_web(directory) as web, running_worker(directory) as worker:
            with calling(web) as before:
                time.sleep(BEFORE_SECONDS)
            job = schedule_job("scale_erase", project=make_project(), reference_id=USER)
            with calling(web) as meanwhile:
                watched = follow(connection, job.pk, rows, Watched(connection, "scale-worker"), worker.pid)
        chunks = [float(line) for line in Path(os.environ[CHUNKS]).read_text().splitlines()]
        (left,) = one(connection, "SELECT count(*) FROM scale_upload WHERE user_id = %s", USER)
    seconds = seconds_of(job)
    p95 = [quantile(caller_seconds(caller), 0.95) for caller in (before, meanwhile)]
    figures = {
        "rows": rows,
        "left": left,
        "not_counted": abs(rows - done_by(job)),
        "seconds": round(seconds, 1),
        "rows_per_second": round(rows / seconds),
        "chunks": len(chunks),
        "chunk_seconds": spread(chunks),
        **watched,
        "calls": [before.made, meanwhile.made],
        "failed_calls": len(before.problems) + len(meanwhile.problems),
        "call_p95_seconds": [round(each, 4) for each in p95],
        "p95": round(p95[1] / p95[0], 2),
    }
    return {"figures": figures, "problems": problems_of(figures, LIMITS)}


@contextmanager
def calling(web: ApiServer) -> Iterator[Caller]:
    """Let another tenant create, read, list and cancel jobs until the block ends."""
    project = make_project()
    secret = create_api_key(organization=project.organization).secret
    caller = Caller(web.port, project=project.key, secret=secret, pace=PACE_SECONDS)
    caller.start()
    try:
        yield caller
    finally:
        caller.ended.set()
        caller.join()


def caller_seconds(caller: Caller) -> list[float]:
    return [second for kind in caller.seconds.values() for second in kind]


def follow(connection: "psycopg.Connection[Any]", job_id: int, rows: int, watched: Watched, pid: int) -> dict[str, Any]:
    """Wait for the end of the job; return memory after a tenth and at the end, and the longest transactions."""
    tenth: Usage | None = None
    longest_writing = longest = next_line = 0.0
    end = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < end:
        status, done = one(connection, JOB, job_id)
        writing, any_kind = one(connection, OLDEST)
        longest_writing, longest = max(longest_writing, float(writing)), max(longest, float(any_kind))
        if tenth is None and done >= rows // 10:
            tenth = watched.usage([pid])
        if status in ("completed", "failed"):
            last = watched.usage([pid])
            assert tenth is not None, f"the erase ended as {status} after {done} rows"
            return {
                "memory_after_a_tenth": tenth.memory,
                "memory_at_the_end": last.memory,
                "memory_growth": last.memory - tenth.memory,
                "longest_writing_transaction_seconds": round(longest_writing, 2),
                "longest_transaction_seconds": round(longest, 2),
            }
        if time.monotonic() > next_line:
            print(f"{done:,} of {rows:,} rows are erased", flush=True)
            next_line = time.monotonic() + 10
        time.sleep(SAMPLE_SECONDS)
    raise TimeoutError("the erase did not end")
