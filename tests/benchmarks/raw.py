"""Hand-written loops that the worker is compared with; they have no leases, events, retries or cancels."""

import threading
from typing import Any, Final

import psycopg

# The same columns, checks and indexes, so that a row costs both the same; but no foreign keys.
TABLE: Final = "DROP TABLE IF EXISTS raw_job; CREATE TABLE raw_job (LIKE jobs_job INCLUDING ALL)"
FILL: Final = """
    INSERT INTO raw_job (project_id, action, reference_id, description, status, created_at, start_at, due_at,
                         attempt, crashes, failures, progress_done, receipt)
    SELECT 1, 'benchmark_nothing', 'user-' || n, 'Do nothing', 'scheduled', '2025-01-01', '2025-01-01', '2025-01-01',
           0, 0, 0, 0, '{}'
    FROM generate_series(1, %s) AS n
"""
CLAIM: Final = """
    SELECT id FROM raw_job WHERE status = 'scheduled' AND due_at <= now()
    ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
"""
FINISH: Final = """
    UPDATE raw_job SET status = 'completed', attempt = attempt + 1, finished_at = clock_timestamp() WHERE id = %s
"""
RATE: Final = """
    SELECT (count(*) - 1) / extract(epoch FROM max(finished_at) - min(finished_at)) FROM raw_job
"""


def fill(connection: "psycopg.Connection[Any]", jobs: int) -> None:
    """Make the table anew, with so many due rows."""
    connection.execute(TABLE)
    connection.execute(FILL, [jobs])
    connection.execute("ANALYZE raw_job")


def rate(url: str, *, jobs: int, threads: int) -> float:
    """Return rows per second: each is claimed and finished in one transaction, by ``threads`` connections."""
    with psycopg.connect(url, autocommit=True) as connection:
        fill(connection, jobs)
        loops = [threading.Thread(target=_claim_and_finish, args=[url]) for _ in range(threads)]
        for loop in loops:
            loop.start()
        for loop in loops:
            loop.join()
        row = connection.execute(RATE).fetchone()
        assert row is not None, "an aggregate has a row"
        return float(row[0])


def _claim_and_finish(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        claim_and_finish_all(connection)


def claim_and_finish_all(connection: "psycopg.Connection[Any]") -> None:
    """Claim and finish row after row, until none is left."""
    while True:
        with connection.transaction():
            row = connection.execute(CLAIM).fetchone()
            if row is None:
                return
            connection.execute(FINISH, row)
