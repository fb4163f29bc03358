"""The database's plans for statements on jobs that a test has captured."""

import re
from collections.abc import Iterable

from django.db import connection
from django.test.utils import CaptureQueriesContext

# The next due time is the first entry of an index, which SQLite calls a scan as well.
_SCAN = re.compile("Seq Scan on jobs_job|SCAN jobs_job(?! USING INDEX jobs_job_waiting)")


def plans_on_jobs(captured: CaptureQueriesContext) -> list[str]:
    """Return the plans of those statements that name the table of jobs."""
    explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    plans = []
    for query in list(captured.captured_queries):
        if re.search(r"\bjobs_job\b", query["sql"]):
            with connection.cursor() as cursor:
                cursor.execute(f"{explain} {query['sql'].replace('%', '%%')}", ())
                plans.append("\n".join(str(row) for row in cursor.fetchall()))
    return plans


def scans(plans: Iterable[str]) -> list[str]:
    """Return those plans that read the whole table of jobs."""
    return [plan for plan in plans if _SCAN.search(plan)]
