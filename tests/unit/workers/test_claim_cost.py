"""What a claim costs does not grow with the number of jobs that wait."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs import get_project_model
from jobs.models import Job, Organization
from jobs.workers.claim_order import PER_PROJECT, PROJECTS, WINDOW, ClaimOrder
from tests.support.concurrency import postgresql_only
from tests.support.factories import LONG_AGO, make_project

pytestmark = pytest.mark.django_db

# A walk from the root of an index to a row, with room for entries of rows that were changed meanwhile.
BLOCKS_A_LOOK = 10


def make_disabled_organizations(count: int) -> None:
    """Insert organizations that left long ago, each with a project in which nothing waits."""
    names = [f"Former {number}" for number in range(count)]
    former = Organization.objects.bulk_create(Organization(name=name, disabled_at=LONG_AGO) for name in names)
    projects = get_project_model()._default_manager
    projects.bulk_create(projects.model(organization=one, name=one.name) for one in former)


@postgresql_only
@pytest.mark.parametrize("disabled", [0, 3_000])
def test_the_search_beyond_the_window_reads_a_few_blocks_a_project(disabled: int):
    columns = {"action": "touch", "reference_id": "user", "description": "Touch"}
    instants = {"created_at": LONG_AGO, "start_at": LONG_AGO, "due_at": LONG_AGO}
    make_disabled_organizations(disabled)
    for _ in range(3):
        project = make_project()
        Job.objects.bulk_create([Job(project=project, **columns, **instants) for _ in range(2_000)])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    with CaptureQueriesContext(connection) as captured:
        ClaimOrder().candidates()

    (search,) = [query["sql"] for query in captured.captured_queries if "RECURSIVE" in query["sql"]]
    plan = plan_of(search)

    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] <= PROJECTS * (1 + PER_PROJECT) * BLOCKS_A_LOOK


@postgresql_only
def test_where_most_organizations_are_disabled_the_window_reads_no_more_jobs_than_it_takes():
    make_disabled_organizations(3_000)
    columns = {"action": "touch", "reference_id": "user", "description": "Touch"}
    instants = {"created_at": LONG_AGO, "start_at": LONG_AGO, "due_at": LONG_AGO}
    for _ in range(10):
        project = make_project()
        Job.objects.bulk_create([Job(project=project, **columns, **instants) for _ in range(1_000)])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    with CaptureQueriesContext(connection) as captured:
        ClaimOrder().candidates()

    (window,) = [query["sql"] for query in captured.captured_queries if f"LIMIT {WINDOW}" in query["sql"]]
    assert "disabled_at" in window
    assert jobs_read(plan_of(window)) == WINDOW


def plan_of(sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}")
        (answer,) = cursor.fetchone()
    return (json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]


def jobs_read(plan: Any) -> int:
    """Return how many rows of the table of jobs the nodes of a plan took up."""
    own = plan["Actual Rows"] * plan["Actual Loops"] if plan.get("Relation Name") == "jobs_job" else 0
    return own + sum(map(jobs_read, plan.get("Plans", [])))
