"""Empties tables and fills them, in the fastest way the database has."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db import connection

from jobs import get_project_model
from jobs.models import Job, Organization

LONG_AGO: Final = datetime(2025, 1, 1, tzinfo=UTC)

SERIES: Final = "WITH RECURSIVE series (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < %s)"
# Every fifth row is another user's.
VISITS: Final = """
    INSERT INTO benchmarks_visit (project_number, user_id, started_at, duration, country, page) {series}
    SELECT 1, CASE WHEN n %% 5 = 0 THEN 'other-' || n ELSE %s END, %s, %s, 'DE', '/products/' || n %% 1000 FROM series
"""
BASKETS: Final = """
    INSERT INTO {baskets} (user_id, note) {series}
    SELECT CASE WHEN n %% 5 = 0 THEN 'other-' || n ELSE %s END, 'note ' || n FROM series
"""
ITEMS: Final = """
    INSERT INTO {items} (basket_id, page) {series}
    SELECT id, '/products/' || n %% 1000 FROM {baskets} CROSS JOIN series
"""
ITEMS_OF_A_BASKET: Final = 3


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


def fill_visits(user: str, count: int) -> None:
    """Replace all visits by ``count`` of ``user``, and a quarter as many of others between them."""
    empty("benchmarks_visit")
    duration: Any = timedelta(seconds=90) if connection.vendor == "postgresql" else 90_000_000
    execute(VISITS.format(series=SERIES), count + count // 4, user, LONG_AGO, duration)
    tidy()


def fill_baskets(baskets: str, items: str, user: str, count: int) -> None:
    """Replace all rows of two tables by ``count`` of ``user`` in both together, and a quarter as many of others."""
    empty(items, baskets)
    own = count // (1 + ITEMS_OF_A_BASKET)
    execute(BASKETS.format(baskets=baskets, series=SERIES), own + own // 4, user)
    execute(ITEMS.format(baskets=baskets, items=items, series=SERIES), ITEMS_OF_A_BASKET)
    tidy()


def tidy() -> None:
    """Give the planner its statistics, and on PostgreSQL leave no dead row."""
    execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


def empty(*tables: str) -> None:
    if connection.vendor == "postgresql":
        execute(f"TRUNCATE {', '.join(tables)} CASCADE")
    else:
        for table in tables:
            execute(f"DELETE FROM {table}")


def execute(sql: str, *params: Any) -> None:
    """Run a statement with parameters, or with one mapping of them by name."""
    named = params[0] if params and isinstance(params[0], dict) else None
    with connection.cursor() as cursor:
        cursor.execute(sql, named or params or None)
