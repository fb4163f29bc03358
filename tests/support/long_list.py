"""A long list of jobs that are not where PostgreSQL's planner expects them, and what a plan reads of it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from django.db import connection

from jobs.models import Job
from tests.support.factories import make_project

ROWS: Final = 200_000
BEGAN: Final = datetime(2025, 1, 1, tzinfo=UTC)
# The last hundredth waits, all others have ended: the failed ones are the first, and "rare" is an action of the first.
LONG_PAST: Final = """
    INSERT INTO jobs_job (project_id, action, reference_id, description, status, created_at, start_at, due_at,
        attempt, crashes, failures, progress_done, receipt, finished_at, worker)
    SELECT %(project)s, CASE WHEN n <= 2000 AND n %% 10 = 0 THEN 'rare' ELSE 'touch' END,
        CASE WHEN n <= 100 THEN 'early' ELSE 'user-' || n %% 50000 END, 'Touch', kind,
        %(began)s + n * interval '1 minute', %(began)s + n * interval '1 minute', %(began)s, 1, 0, 0, 0, '{}',
        CASE WHEN kind <> 'scheduled' THEN %(began)s END, CASE WHEN kind <> 'scheduled' THEN 'host:1:aaaa' END
    FROM generate_series(1, %(rows)s) AS n, LATERAL (SELECT CASE WHEN n <= 200 THEN 'failed'
        WHEN n > %(rows)s * 0.99 THEN 'scheduled' WHEN n %% 20 = 0 THEN 'cancelled' ELSE 'completed' END AS kind) AS k
"""


def at(row: int) -> datetime:
    return BEGAN + row * timedelta(minutes=1)


def insert_long_past(project: Any, *, rows: int) -> None:
    """Insert so many jobs, one a minute from ``BEGAN`` on; the planner's statistics are up to date (PostgreSQL)."""
    with connection.cursor() as cursor:
        cursor.execute(LONG_PAST, {"project": project.pk, "rows": rows, "began": BEGAN})
        cursor.execute("VACUUM ANALYZE jobs_job")


def nodes_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes_of(below)


def rows_read(plan: dict[str, Any]) -> int:
    """Return how many entries of indexes and rows all scans have read and kept."""
    ran = [node for node in nodes_of(plan) if "Relation Name" in node]
    return int(sum(node["Actual Rows"] * node["Actual Loops"] for node in ran))


def rows_removed(plan: dict[str, Any]) -> int:
    return int(sum(node.get("Rows Removed by Filter", 0) * node["Actual Loops"] for node in nodes_of(plan)))


@pytest.fixture(scope="module")
def project(django_db_setup: None, django_db_blocker: Any) -> Iterator[Any]:
    """A project with a long past; its table was vacuumed and analyzed, as a server does by itself."""
    with django_db_blocker.unblock():
        made = make_project()
        insert_long_past(made, rows=ROWS)
    yield made
    with django_db_blocker.unblock():
        Job.objects.filter(project=made)._raw_delete(Job.objects.db)
        made.delete()
        made.organization.delete()


def explained(jobs: Any) -> dict[str, Any]:
    plan: dict[str, Any] = json.loads(jobs.explain(format="json", analyze=True, buffers=True, timing=False))[0]["Plan"]
    return plan


def explained_sql(sql: str, params: Any) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON, ANALYZE, BUFFERS, TIMING OFF) {sql}", params)
        (plan,) = cursor.fetchone()
    return (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]


def indexes_scanned(plan: dict[str, Any]) -> set[str]:
    """Return the indexes of the scans that ran, but for the look-up of single rows by their id; ``none``: all rows."""
    ran = [node for node in nodes_of(plan) if node["Actual Loops"]]
    scanned = {node["Index Name"] for node in ran if "Index Name" in node and not is_single_row(node)}
    return scanned | {"none" for node in ran if node["Node Type"] == "Seq Scan"}


def is_single_row(node: dict[str, Any]) -> bool:
    return bool(node["Index Name"] == "jobs_job_pkey" and node.get("Index Cond", "").startswith("(id = "))


def blocks_read(plan: dict[str, Any]) -> int:
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
