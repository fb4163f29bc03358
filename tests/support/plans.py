"""The database's plans for statements on jobs, and tables of jobs for which a plan matters."""

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.models import Job
from tests.support.factories import make_project

_ON_JOBS = re.compile(r"\bjobs_job\b")
# The next due time is the first entry of an index, which SQLite calls a scan as well.
_SCAN = re.compile("Seq Scan on jobs_job|SCAN jobs_job(?! USING INDEX jobs_job_waiting)")


def plans_on_jobs(captured: CaptureQueriesContext) -> list[str]:
    return [plan_of(query["sql"]) for query in list(captured.captured_queries) if _ON_JOBS.search(query["sql"])]


block_counts_only: Final = pytest.mark.skipif(
    not connection.features.supports_slicing_ordering_in_compound,
    reason="SQLite has no walks that read the counts of blocks, and leaves pages by number to its planner",
)


def plan_of(sql: str) -> str:
    explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    with connection.cursor() as cursor:
        cursor.execute(f"{explain} {sql.replace('%', '%%')}", ())
        return "\n".join(str(row) for row in cursor.fetchall())


def scans(plans: Iterable[str]) -> list[str]:
    return [plan for plan in plans if _SCAN.search(plan)]


def fill_table() -> None:
    """Insert enough jobs of all kinds that reading the whole table would cost more than an index."""
    project, old = make_project(), timezone.now() - timedelta(days=1)
    rows = {"project": project, "action": "touch", "created_at": old, "start_at": old, "due_at": old}
    ended = {"status": "completed", "finished_at": old, "attempt": 1, "worker": "w"}
    jobs = [Job(reference_id=f"user-{n}", **rows, **ended) for n in range(4_000)]
    jobs += [Job(reference_id=f"user-{n}", **rows, **{**ended, "status": "failed"}) for n in range(1_000)]
    jobs += [Job(reference_id=f"user-{n}", **rows) for n in range(1_000)]
    Job.objects.bulk_create(jobs, batch_size=1_000)
    analyze()


def analyze() -> None:
    """Make statistics of the app's tables, and indexes without the entries of rows that other tests have rolled back.

    Of all tables, a transaction would lock catalogs of other databases, too.
    """
    tables = [model._meta.db_table for model in apps.get_app_config("jobs").get_models() if not model._meta.swapped]
    with connection.cursor() as cursor:
        cursor.execute(f"REINDEX {'TABLE ' if connection.vendor == 'postgresql' else ''}{Job._meta.db_table}")
        for table in tables:
            cursor.execute(f"ANALYZE {connection.ops.quote_name(table)}")
