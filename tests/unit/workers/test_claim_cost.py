"""The cost of a claim does not grow with the number of jobs that wait."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from jobs import get_project_model
from jobs.lifecycle import transitions
from jobs.lifecycle.statements import Fence
from jobs.models import Job, Organization
from jobs.workers.claim_order import PER_PROJECT, PROJECTS, WINDOW, ClaimOrder
from tests.support.concurrency import one_value, postgresql_only, statements
from tests.support.execution import make_due_jobs
from tests.support.factories import LONG_AGO, WORKER, make_project
from tests.support.plans import analyze

pytestmark = pytest.mark.django_db

TOKEN = UUID(int=7)
MINUTE = timedelta(minutes=1)
# From the root of an index to a row.
BLOCKS_PER_LOOKUP = 10


def make_disabled_organizations(count: int) -> None:
    """Insert disabled organizations, each with a project without jobs."""
    names = [f"Former {number}" for number in range(count)]
    former = Organization.objects.bulk_create(Organization(name=name, disabled_at=LONG_AGO) for name in names)
    projects = get_project_model()._default_manager
    projects.bulk_create(projects.model(organization=one, name=one.name) for one in former)


def statement_of_a_claim(part: str) -> str:
    """Search for candidates by new indexes and statistics; return the statement that contains ``part``."""
    analyze()
    with statements() as sent:
        ClaimOrder().candidates()
    (found,) = [sql for sql in sent if part in sql]
    return found


@postgresql_only
@pytest.mark.parametrize("disabled", [0, 3_000])
def test_the_search_beyond_the_window_reads_a_few_blocks_per_project(disabled: int):
    make_disabled_organizations(disabled)
    for _ in range(3):
        make_due_jobs(2_000)

    plan = plan_of(statement_of_a_claim("RECURSIVE"))

    assert blocks_read(plan) <= PROJECTS * (1 + PER_PROJECT) * BLOCKS_PER_LOOKUP


@postgresql_only
def test_the_window_reads_no_more_jobs_than_it_returns_where_most_organizations_are_disabled():
    make_disabled_organizations(3_000)
    for _ in range(10):
        make_due_jobs(1_000)

    window = statement_of_a_claim(f"LIMIT {WINDOW}")

    assert "disabled_at" in window
    assert jobs_read(plan_of(window)) == WINDOW


@postgresql_only
def test_a_claim_reads_none_of_the_jobs_that_staff_hold():
    for _ in range(3):
        project = make_project()
        make_due_jobs(5_000, project=project, due_at=LONG_AGO - timedelta(days=1), held_at=LONG_AGO)
        make_due_jobs(WINDOW, project=project)

    window, beyond = (plan_of(statement_of_a_claim(part)) for part in (f"LIMIT {WINDOW}", "RECURSIVE"))

    assert jobs_read(window) == WINDOW
    assert blocks_read(window) <= WINDOW * BLOCKS_PER_LOOKUP
    assert blocks_read(beyond) <= 4 * (1 + PER_PROJECT) * BLOCKS_PER_LOOKUP


@postgresql_only
@pytest.mark.parametrize("status", ["scheduled", "running"])
def test_claims_and_completions_read_the_jobs_of_their_list_alone_whatever_the_statistics_say(status: str):
    analyze()  # no job waits or runs: an index of either would seem to be empty
    make_due_jobs(5_000)
    if status == "running":
        transitions.claim(Job.objects.values_list("pk", flat=True), lease_token=TOKEN, worker=WORKER, lease=MINUTE)
    ids = list(Job.objects.order_by("-pk").values_list("pk", flat=True)[:4])
    fences = [Fence(job_id=pk, lease_token=TOKEN) for pk in ids]

    with statements() as sent:
        if status == "running":
            done = len(transitions.complete_many(fences[:2], worker=WORKER, next_fences=fences[2:]).job_ids)
        else:
            done = len(transitions.claim(ids[:2], lease_token=TOKEN, worker=WORKER, lease=MINUTE))

    assert done == 2
    assert jobs_visited(plan_of(sent[0])) <= 4 * len(ids)


def plan_of(sql: str) -> Any:
    answer = one_value(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}")
    return (json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]


def blocks_read(plan: Any) -> int:
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def jobs_read(plan: Any) -> int:
    """Return how many rows of the table of jobs the nodes of a plan have read."""
    own = plan["Actual Rows"] * plan["Actual Loops"] if plan.get("Relation Name") == "jobs_job" else 0
    return own + sum(map(jobs_read, plan.get("Plans", [])))


def jobs_visited(plan: Any) -> int:
    """Return how many rows of the table of jobs the scans of a plan have read, also those that they then left out."""
    is_scan = plan.get("Relation Name") == "jobs_job" and "Scan" in plan["Node Type"]
    own = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"] if is_scan else 0
    return int(own) + sum(map(jobs_visited, plan.get("Plans", [])))
