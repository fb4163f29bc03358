"""How PostgreSQL finds a page in a long list of one project whose jobs are not where the planner takes them to be."""

from typing import Any, Final

import pytest

from jobs.models import Job
from jobs.services.search.api_pages import JobRow
from jobs.services.search.api_query import ListOrder, ListQuery, Position
from jobs.services.search.api_sql import page_sql
from jobs.services.search.planner import Limits
from jobs.status import Status
from tests.support.concurrency import postgresql_only
from tests.support.long_list import (
    ROWS,
    at,
    blocks_read,
    explained,
    explained_sql,
    indexes_scanned,
    nodes_of,
    project,
    rows_read,
    rows_removed,
)

__all__ = ["project"]  # a fixture

pytestmark = [pytest.mark.django_db, postgresql_only]

# Blocks of 8 kB for the first page: the root, the branches and some leaves of an index, and the rows.
FEW: Final = 450


ASCENDING: Final = ListOrder(descending=False)
BY_START: Final = ListOrder(by_start=True)
FIRST_STARTS: Final = ListOrder(by_start=True, descending=False)

FIRST_PAGES: Final = [
    ({}, "jobs_job_list"),
    ({"order": ASCENDING}, "jobs_job_list"),
    ({"statuses": {Status.FAILED}}, "jobs_job_list_by_status"),
    ({"statuses": {Status.COMPLETED}}, "jobs_job_list_by_status"),
    ({"statuses": {Status.SCHEDULED}, "order": ASCENDING}, "jobs_job_list_by_status"),
    ({"statuses": {Status.FAILED, Status.SCHEDULED}, "order": ASCENDING}, "jobs_job_list_by_status"),
    ({"statuses": set(Status)}, "jobs_job_list"),
    ({"action": "rare"}, "jobs_job_groups_of_action"),
    ({"action": "touch"}, "jobs_job_groups_of_action"),
    ({"action": "unknown"}, "jobs_job_groups_of_action"),
    ({"reference_id": "user-77"}, "jobs_job_of_reference"),
    ({"reference_id": "early"}, "jobs_job_of_reference"),
    ({"reference_id": "nobody"}, "jobs_job_of_reference"),
    ({"reference_id": "early", "order": BY_START}, "jobs_job_of_reference"),
    ({"order": BY_START}, "jobs_job_list_by_status_start"),
    ({"order": FIRST_STARTS, "start_from": at(100_000)}, "jobs_job_list_by_status_start"),
    ({"order": BY_START, "start_from": at(10), "start_to": at(30)}, "jobs_job_list_by_status_start"),
    ({"order": FIRST_STARTS, "statuses": {Status.SCHEDULED}}, "jobs_job_list_by_status_start"),
    ({"order": BY_START, "statuses": {Status.FAILED, Status.RUNNING}}, "jobs_job_list_by_status_start"),
    ({"order": BY_START, "statuses": {Status.COMPLETED}, "start_to": at(5000)}, "jobs_job_list_by_status_start"),
    ({"order": BY_START, "statuses": {Status.FAILED}, "start_from": at(ROWS)}, "jobs_job_list_by_status_start"),
]


@pytest.mark.parametrize(("wanted", "index"), FIRST_PAGES, ids=range(len(FIRST_PAGES)))
def test_a_first_page_reads_its_index_and_little_else(project: Any, wanted: dict[str, Any], index: str):
    plan = plan_of(query_of(wanted), project)

    assert index in indexes_scanned(plan), indexes_scanned(plan)
    assert indexes_scanned(plan) <= {index}
    assert blocks_read(plan) <= FEW


def test_a_status_that_no_job_has_is_found_empty_at_once(project: Any):
    # Of two indexes that both begin with nothing to read the planner may take either.
    plan = plan_of(query_of({"statuses": {Status.RUNNING}}), project)

    assert indexes_scanned(plan) <= {"jobs_job_list_by_status", "jobs_job_status"}
    # Of thousands; how many exactly hangs on what was deleted before and not yet cleaned away.
    assert blocks_read(plan) <= 20


TIMES: Final = [
    {"created_from": at(ROWS - 1000)},
    {"created_from": at(0)},
    {"created_to": at(3000)},
    {"created_to": at(ROWS // 2)},
    {"created_from": at(5000), "created_to": at(5100)},
    {"created_from": at(ROWS + 1)},
    {"created_from": at(ROWS // 2), "order": ASCENDING},
    {"start_to": at(3000)},
    {"start_from": at(ROWS // 2), "order": ASCENDING},
    {"start_from": at(5000), "start_to": at(5100)},
]


@pytest.mark.parametrize("wanted", TIMES, ids=range(len(TIMES)))
def test_a_time_is_searched_block_by_block_and_sorted_within_one(project: Any, wanted: dict[str, Any]):
    plan = plan_of(query_of(wanted), project)

    assert all(name.startswith("jobs_job_blocks_by_") for name in indexes_scanned(plan))
    # The rows of a block that are wanted are sorted, which reads 16,384 of them at the most.
    assert rows_read(plan) <= 2**14 + 200


MIXED: Final = [
    {"reference_id": "early", "statuses": {Status.COMPLETED}},
    {"statuses": {Status.FAILED}, "created_from": at(ROWS - 50_000)},
    {"statuses": {Status.COMPLETED}, "action": "rare"},
    {"statuses": {Status.CANCELLED}, "action": "rare", "order": BY_START},
    {"action": "rare", "start_from": at(10), "order": FIRST_STARTS},
    {"created_from": at(100), "created_to": at(200), "order": BY_START},
]


@pytest.mark.parametrize("wanted", MIXED, ids=range(len(MIXED)))
def test_of_several_filters_the_one_with_few_jobs_is_scanned(project: Any, wanted: dict[str, Any]):
    plan = plan_of(query_of(wanted), project)

    assert rows_read(plan) <= 2 * 20_001 + 1000


def test_a_page_by_cursor_reads_as_little_anywhere(project: Any):
    first, last = Job.objects.filter(project=project).order_by("pk")[:1][0].pk, ROWS - 100
    for query in (ListQuery(), ListQuery(statuses=frozenset({Status.COMPLETED})), ListQuery(action="touch")):
        for row in (last, ROWS // 2, 1000):
            assert blocks_read(plan_of(query, project, after=Position(job_id=first + row))) <= FEW
    for row in (last, ROWS // 2, 1000):
        after = Position(job_id=first + row, start_at=at(row + 1))
        assert blocks_read(plan_of(ListQuery(order=BY_START), project, after=after)) <= FEW


def test_a_page_far_away_reads_ids_and_only_its_own_rows(project: Any):
    plan = plan_of(ListQuery(), project, offset=ROWS - 100)

    fetched = [node for node in nodes_of(plan) if node.get("Index Name") == "jobs_job_pkey"]
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in fetched) <= 51
    # No block is counted here, so that all jobs before the page are scanned twice: to count and to skip.
    scans = [node["Node Type"] for node in nodes_of(plan) if node.get("Index Name") == "jobs_job_list"]
    assert scans == ["Index Only Scan", "Index Only Scan"]


def test_the_planner_alone_would_read_the_whole_list(project: Any):
    """Or else the plans above prove nothing."""
    naive = Job.objects.filter(project=project, created_at__lt=at(3000)).order_by("-pk")[:51]

    assert rows_read(explained(naive)) + rows_removed(explained(naive)) > ROWS / 2


def query_of(wanted: dict[str, Any]) -> ListQuery:
    return ListQuery(**{name: frozenset(value) if name == "statuses" else value for name, value in wanted.items()})


def plan_of(query: ListQuery, project: Any, **part: Any) -> dict[str, Any]:
    limits = Limits(limit=51, offset=part.pop("offset", 0))
    return explained_sql(*page_sql(query, project=project, limits=limits, columns=JobRow._fields, **part))
