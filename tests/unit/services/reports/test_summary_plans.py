"""How PostgreSQL sums up the jobs of a few projects beside a project with a long past: by indexes, up to the limits."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.models import Job
from jobs.services.reports import summaries
from jobs.services.reports.summaries import newest_failures, summarize_organization, summarize_project
from jobs.services.search.planner import index_scans_only
from tests.support.concurrency import postgresql_only
from tests.support.factories import make_job, make_organization, make_project
from tests.support.long_list import insert_long_past, nodes_of, rows_read, rows_removed

pytestmark = [pytest.mark.django_db, postgresql_only]

ROWS: Final = 100_000
# Of five statuses, and of the few rows that are named.
MOST_READ: Final = 5 * (summaries.MOST_COUNTED + 1) + 50


@pytest.fixture(scope="module")
def projects(django_db_setup: None, django_db_blocker: Any) -> Iterator[tuple[Any, Any]]:
    """A project with a long past, and one of another organization with a single job."""
    with django_db_blocker.unblock():
        made = (make_project(), make_project(organization=make_organization()))
        make_job(project=made[1])
        insert_long_past(made[0], rows=ROWS)
    yield made
    with django_db_blocker.unblock():
        for project in made:
            Job.objects.filter(project=project)._raw_delete(Job.objects.db)
            project.delete()
            project.organization.delete()


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize(
    "ask", [summarize_project, lambda project: summarize_organization(project.organization), newest_failures]
)
def test_no_more_jobs_are_read_than_the_bounds_allow(projects: tuple[Any, Any], place: int, ask: Callable[[Any], Any]):
    project = projects[place]
    with CaptureQueriesContext(connection) as queries:
        ask(project)

    (told,) = [query["sql"] for query in queries if "jobs_job" in query["sql"]]
    with index_scans_only(), connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {told}")
        plan = cursor.fetchone()[0][0]["Plan"]

    on_jobs = [node for node in nodes_of(plan) if node.get("Relation Name") == "jobs_job"]
    assert on_jobs
    assert not any(node["Node Type"] == "Seq Scan" for node in on_jobs)
    assert rows_read(plan) + rows_removed(plan) <= MOST_READ
