"""No index of jobs can go: without it, the plan of the query that its comment names reads several times as much."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest
from django.db import connection

from jobs.models import Job
from jobs.services.search.api_pages import JobRow
from jobs.services.search.api_query import ListOrder, ListQuery
from jobs.services.search.api_sql import page_sql
from jobs.services.search.planner import Limits, index_scans_only
from jobs.services.search.staff_filter import JobFilter
from jobs.services.search.staff_search import search_jobs
from jobs.stats import rollup
from jobs.status import Status
from jobs.workers.claim_order import ClaimOrder
from tests.support.concurrency import execute, postgresql_only, statements
from tests.support.execution import make_due_jobs
from tests.support.factories import make_project
from tests.support.long_list import ROWS, at, blocks_read, explained, explained_sql, project

__all__ = ["project"]  # a fixture

pytestmark = [pytest.mark.django_db, postgresql_only]

WORSE: Final = 3
RECENTLY: Final = at(ROWS) + timedelta(days=365)


def page(**wanted: Any) -> Callable[[Any], dict[str, Any]]:
    """Plan a first page of the API's list."""
    query, limits = ListQuery(**wanted), Limits(limit=51)
    return lambda project: explained_sql(*page_sql(query, project=project, limits=limits, columns=JobRow._fields))


def rows(jobs: Callable[[], Any]) -> Callable[[Any], dict[str, Any]]:
    """Plan a query over all projects."""
    return lambda _: explained(jobs())


def staff_page(_: Any) -> dict[str, Any]:
    """Plan a first page of the admin's list, of failed jobs of all projects."""
    with index_scans_only():
        return explained(search_jobs(JobFilter(status="failed")).jobs[:51])


def heads_of_projects(_: Any) -> dict[str, Any]:
    """Plan the part of a claim that looks beyond the window."""
    with statements() as sent:
        ClaimOrder().candidates()
    (found,) = [sql for sql in sent if "RECURSIVE" in sql]
    return explained_sql(found.replace("%", "%%"), ())


QUERIES: Final[dict[str, Callable[[Any], dict[str, Any]]]] = {
    "jobs_job_list": page(),
    "jobs_job_list_by_status": page(statuses=frozenset({Status.COMPLETED})),
    "jobs_job_list_by_status_start": page(order=ListOrder(by_start=True)),
    "jobs_job_groups_of_action": page(action="rare"),
    "jobs_job_of_reference": page(reference_id="user-77"),
    "jobs_job_blocks_by_created": page(created_to=at(3000)),
    "jobs_job_blocks_by_start": page(start_to=at(3000)),
    "jobs_job_waiting": rows(lambda: Job.objects.waiting().order_by("due_at", "pk").values_list("due_at")[:1]),
    "jobs_job_waiting_of_project": heads_of_projects,
    "jobs_job_reserved": rows(lambda: Job.objects.reserved().order_by()),
    "jobs_job_running": rows(lambda: Job.objects.filter(status=Status.RUNNING).order_by()),
    "jobs_job_status": staff_page,
    "jobs_job_failures": rows(lambda: Job.objects.filter(status=Status.FAILED, finished_at__gte=RECENTLY).order_by()),
    "jobs_job_interrupted": rows(
        lambda: Job.objects.active().filter(interruptions__gt=0).order_by("-interruptions")[:1]
    ),
    "jobs_job_to_redact": rows(lambda: rollup.ended_jobs(RECENTLY)),
}


def test_every_index_has_its_query():
    assert QUERIES.keys() == {index.name for index in Job._meta.indexes}


@pytest.mark.parametrize("index", QUERIES)
def test_without_an_index_its_query_reads_several_times_as_much(project: Any, index: str):
    make_due_jobs(300, project=make_project())
    execute("ANALYZE jobs_job")

    with_it = blocks_read(QUERIES[index](project))
    with connection.cursor() as cursor:  # the test's transaction is rolled back
        cursor.execute(f"DROP INDEX {index}")
    without = blocks_read(QUERIES[index](project))

    assert without > WORSE * with_it
