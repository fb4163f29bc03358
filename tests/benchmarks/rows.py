"""Empties tables and fills them, in the fastest way the database has."""

from datetime import UTC, datetime
from typing import Any, Final

from django.db import connection

from jobs import get_project_model
from jobs.models import Job, Organization

LONG_AGO: Final = datetime(2025, 1, 1, tzinfo=UTC)

# Every fifth row is another user's.
FILL: Final = """
    INSERT INTO {table} (project_number, user_id, started_at, duration, country, page)
    SELECT 1, CASE WHEN n %% 5 = 0 THEN 'other-' || n ELSE %s END, now() - n * interval '1 second',
           interval '90 seconds', 'DE', '/products/' || n %% 1000
    FROM generate_series(1, %s) AS n
"""


def make_project() -> Any:
    organization, _ = Organization.objects.get_or_create(name="Benchmarks")
    project, _ = get_project_model()._default_manager.get_or_create(organization=organization, name="Benchmarks")
    return project


def fill_jobs(count: int, *, action: str) -> None:
    """Replace all jobs by ``count`` due ones."""
    empty("jobs_jobevent", "jobs_job")
    project = make_project()
    same = {"project": project, "action": action, "description": "Do nothing"}
    instants = {"created_at": LONG_AGO, "start_at": LONG_AGO, "due_at": LONG_AGO}
    Job.objects.bulk_create(
        [Job(reference_id=f"user-{number}", **same, **instants) for number in range(count)], batch_size=1_000
    )
    execute("ANALYZE")


def fill_visits(table: str, *, user: str, count: int) -> None:
    """Replace all visits in ``table`` by ``count`` of ``user``, and a quarter as many of others between them."""
    empty(table)
    execute(FILL.format(table=table), user, count + count // 4)
    execute(f"VACUUM ANALYZE {table}")


def empty(*tables: str) -> None:
    if connection.vendor == "postgresql":
        execute(f"TRUNCATE {', '.join(tables)} CASCADE")
    else:
        for table in tables:
            execute(f"DELETE FROM {table}")


def execute(sql: str, *params: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, params or None)
