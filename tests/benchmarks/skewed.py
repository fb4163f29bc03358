"""Fills the table with millions of jobs of one project, skewed as in years of use: rare values lie far apart."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.db import connection, transaction

from jobs.models import Job
from tests.benchmarks.rows import execute, make_project

BEGAN_MS: Final = 1_735_689_600_000  # 2025-01-01 UTC
SECONDS_BETWEEN: Final = 3

# Nine tenths have ended, some of these were cancelled; a thousandth failed, all over; the last tenth waits
# but for a few that run. Four in five start at the midnight after their creation. A reference has four jobs
# that lie far apart. The rare action was in use long ago only.
FILL: Final = """
    INSERT INTO jobs_job (project_id, action, reference_id, description, status, errors, created_at, updated_at,
        start_at, due_at, finished_at, worker, lease_token, lease_expires_at,
        attempt, crashes, failures, progress_done, receipt)
    SELECT %(project)s,
        CASE WHEN n %% 50 = 7 THEN 'export_user_data'
             WHEN n %% 10000 = 3 AND n <= %(rows)s / 5 THEN 'rare_action' ELSE 'delete_user_data' END,
        reference, 'Delete user sessions of userId = ' || reference, kind,
        CASE kind WHEN 'failed' THEN 'It went wrong.' END,
        created, CASE WHEN kind <> 'scheduled' THEN start + interval '1 minute' END, start, start,
        CASE WHEN kind IN ('completed', 'failed', 'cancelled') THEN start + interval '1 minute' END,
        CASE WHEN kind <> 'scheduled' THEN 'host:1:aaaa' END,
        CASE kind WHEN 'running' THEN gen_random_uuid() END, CASE kind WHEN 'running' THEN now() END,
        1, 0, 0, 0, '{}'
    FROM generate_series(1, %(rows)s) AS n,
        LATERAL (SELECT to_timestamp(%(began)s / 1000) + n * %(seconds)s * interval '1 second' AS created) AS a,
        LATERAL (SELECT 'user-' || (n::bigint * 7919 %% (%(rows)s / 4)) || '@example.com' AS reference,
            CASE WHEN n %% 5 = 0 THEN created ELSE date_trunc('day', created) + interval '1 day' END AS start,
            CASE WHEN n %% 1000 = 1 THEN 'failed'
                 WHEN n <= %(rows)s * 0.9 THEN CASE WHEN n %% 100 = 2 THEN 'cancelled' ELSE 'completed' END
                 WHEN n <= %(rows)s * 0.91 AND n %% 1000 = 5 THEN 'running' ELSE 'scheduled' END AS kind) AS b
"""
# What the API inserts: the jobs wait, most of them for midnight.
NEW: Final = """
    INSERT INTO jobs_job (project_id, action, reference_id, description, status, created_at, start_at, due_at,
        attempt, crashes, failures, progress_done, receipt)
    SELECT %s, 'delete_user_data', reference, 'Delete user sessions of userId = ' || reference, 'scheduled',
        created, start, start, 0, 0, 0, 0, '{}'
    FROM (SELECT n, 'user-' || (n::bigint * 7919 %% %s) || '@example.com' AS reference,
            now() + n * interval '10 ms' AS created FROM generate_series(1, %s) AS n) AS a,
        LATERAL (SELECT CASE WHEN n %% 5 = 0 THEN created ELSE date_trunc('day', created) + interval '1 day' END
            AS start) AS b
"""
FOREIGN_KEYS: Final = """
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) FROM pg_constraint
    WHERE contype = 'f' AND 'jobs_job'::regclass IN (confrelid, conrelid)
"""


def fill(rows: int) -> Any:
    """Insert ``rows`` jobs into a table without log and foreign keys, which no reader notices; return the project."""
    project = make_project()
    with connection.cursor() as cursor:
        cursor.execute(FOREIGN_KEYS)
        for (statement,) in cursor.fetchall():
            cursor.execute(statement)
    execute("ALTER TABLE jobs_job SET UNLOGGED")
    execute("SET maintenance_work_mem = '512MB'")
    with without_indexes():
        insert(project, rows)
    execute("VACUUM ANALYZE jobs_job")
    return project


@contextmanager
def without_indexes() -> Iterator[None]:
    """Drop the indexes of the table of jobs, and build them after the block."""
    with connection.schema_editor(atomic=False) as editor:
        for index in Job._meta.indexes:
            editor.remove_index(Job, index)
    yield
    with connection.schema_editor(atomic=False) as editor:
        for index in Job._meta.indexes:
            editor.add_index(Job, index)


def insert(project: Any, rows: int, *, table: str = "jobs_job") -> None:
    named = {"project": project.pk, "rows": rows, "began": BEGAN_MS, "seconds": SECONDS_BETWEEN}
    execute(FILL.replace("INTO jobs_job", f"INTO {table}"), named)


def insert_new_and_forget(project: Any, number: int, *, rows: int, table: str = "jobs_job") -> float:
    """Insert new jobs for known references in a transaction that is rolled back; return the milliseconds."""
    with transaction.atomic():
        begun = time.perf_counter()
        execute(NEW.replace("INTO jobs_job", f"INTO {table}"), project.pk, rows // 4, number)
        taken = (time.perf_counter() - begun) * 1000
        transaction.set_rollback(True)
    return taken


def size_of_indexes(table: str = "jobs_job") -> float:
    """Return the size of the table's indexes to that of its rows."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_indexes_size(%s) / pg_relation_size(%s)::float8", [table, table])
        return float(cursor.fetchone()[0])
