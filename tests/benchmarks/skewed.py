"""Fills the table with millions of jobs of one project, skewed as in years of use: rare values lie far apart."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from django.db import connection, models, transaction

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


def insert(project: Any, rows: int) -> None:
    execute(FILL, {"project": project.pk, "rows": rows, "began": BEGAN_MS, "seconds": SECONDS_BETWEEN})


def insert_and_forget(project: Any, rows: int, *, without: Sequence[models.Index] = ()) -> float:
    """Insert ``rows`` jobs in a transaction that is rolled back; return the milliseconds of the insert alone."""
    with transaction.atomic():
        for index in without:
            execute(f"DROP INDEX {index.name}")
        begun = time.perf_counter()
        insert(project, rows)
        taken = (time.perf_counter() - begun) * 1000
        transaction.set_rollback(True)
    return taken
