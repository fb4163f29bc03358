"""How PostgreSQL finds a page in a long list of one project whose jobs are not where the planner takes them to be."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from django.db import connection

from jobs.models import Job
from jobs.services.search import api_pages
from jobs.services.search.api_query import ListOrder, ListQuery, Position
from jobs.status import Status
from tests.support.factories import make_project

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="SQLite has no EXPLAIN (ANALYZE, BUFFERS), and gets plain queries"
    ),
]

ROWS: Final = 200_000
BEGAN: Final = datetime(2025, 1, 1, tzinfo=UTC)
# Blocks of 8 kB for the first page: the root, the branches and some leaves of an index, and the rows.
FEW: Final = 450

# Nearly all ended long ago, those that failed at the very beginning, one action was in use only then;
# nothing but the last hundredth waits.
FILL: Final = """
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


@pytest.fixture(scope="module")
def project(django_db_setup: None, django_db_blocker: Any) -> Iterator[Any]:
    """A project with a long past; its table was vacuumed and analyzed, as a server does by itself."""
    with django_db_blocker.unblock():
        made = make_project()
        with connection.cursor() as cursor:
            cursor.execute(FILL, {"project": made.pk, "rows": ROWS, "began": BEGAN})
            cursor.execute("VACUUM ANALYZE jobs_job")
    yield made
    with django_db_blocker.unblock():
        Job.objects.filter(project=made)._raw_delete(Job.objects.db)
        made.delete()
        made.organization.delete()


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
    ({"action": "rare"}, "jobs_job_list_by_action"),
    ({"action": "touch"}, "jobs_job_list_by_action"),
    ({"action": "unknown"}, "jobs_job_list_by_action"),
    ({"reference_id": "user-77"}, "jobs_job_list_by_reference"),
    ({"reference_id": "early"}, "jobs_job_list_by_reference"),
    ({"reference_id": "nobody"}, "jobs_job_list_by_reference"),
    ({"reference_id": "early", "order": BY_START}, "jobs_job_list_by_reference"),
    ({"order": BY_START}, "jobs_job_list_by_start"),
    ({"order": FIRST_STARTS, "start_from": at(100_000)}, "jobs_job_list_by_start"),
    ({"order": BY_START, "start_from": at(10), "start_to": at(30)}, "jobs_job_list_by_start"),
    ({"order": FIRST_STARTS, "statuses": {Status.SCHEDULED}}, "jobs_job_list_by_status_start"),
    ({"order": BY_START, "statuses": {Status.FAILED, Status.RUNNING}}, "jobs_job_list_by_status_start"),
    ({"order": BY_START, "statuses": {Status.COMPLETED}, "start_to": at(5000)}, "jobs_job_list_by_status_start"),
    ({"order": BY_START, "statuses": {Status.FAILED}, "start_from": at(ROWS)}, "jobs_job_list_by_status_start"),
]


@pytest.mark.parametrize(("asked", "index"), FIRST_PAGES, ids=range(len(FIRST_PAGES)))
def test_a_first_page_reads_its_index_and_little_else(project: Any, asked: dict[str, Any], index: str):
    plan = plan_of(search_of(asked), project)

    assert index in indexes_walked(plan), indexes_walked(plan)
    assert indexes_walked(plan) <= {index}
    assert blocks_read(plan) <= FEW


def test_a_status_that_no_job_has_is_found_empty_at_once(project: Any):
    # Of two indexes that both begin with nothing to read the planner may take either.
    plan = plan_of(search_of({"statuses": {Status.RUNNING}}), project)

    assert indexes_walked(plan) <= {"jobs_job_list_by_status", "jobs_job_by_status"}
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


@pytest.mark.parametrize("asked", TIMES, ids=range(len(TIMES)))
def test_a_time_is_looked_for_block_by_block_and_sorted_within_one(project: Any, asked: dict[str, Any]):
    plan = plan_of(search_of(asked), project)

    assert all(name.startswith("jobs_job_blocks_of_") for name in indexes_walked(plan))
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


@pytest.mark.parametrize("asked", MIXED, ids=range(len(MIXED)))
def test_of_several_filters_the_one_with_few_jobs_is_taken(project: Any, asked: dict[str, Any]):
    plan = plan_of(search_of(asked), project)

    assert rows_read(plan) <= 2 * 20_001 + 1000


def test_a_walk_by_cursor_reads_as_little_anywhere(project: Any):
    first, last = Job.objects.filter(project=project).order_by("pk")[:1][0].pk, ROWS - 100
    for search in (ListQuery(), ListQuery(statuses=frozenset({Status.COMPLETED}))):
        for row in (last, ROWS // 2, 1000):
            assert blocks_read(plan_of(search, project, after=Position(job_id=first + row))) <= FEW
    for row in (last, ROWS // 2, 1000):
        after = Position(job_id=first + row, start_at=at(row + 1))
        assert blocks_read(plan_of(ListQuery(order=BY_START), project, after=after)) <= FEW


def test_a_page_far_away_reads_ids_and_only_its_own_rows(project: Any):
    plan = plan_of(ListQuery(), project, offset=ROWS - 100)

    fetched = [node for node in nodes_of(plan) if node.get("Index Name") == "jobs_job_pkey"]
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in fetched) <= 51
    # No block is counted here, so that all jobs before the page are walked through, twice: to count and to pass over.
    walks = [node["Node Type"] for node in nodes_of(plan) if node.get("Index Name") == "jobs_job_list"]
    assert walks == ["Index Only Scan", "Index Only Scan"]


def test_the_planner_alone_would_read_the_whole_list(project: Any):
    """Or else the plans above prove nothing."""
    naive = Job.objects.filter(project=project, created_at__lt=at(3000)).order_by("-pk")[:51]

    assert rows_read(explained(naive)) + rows_removed(explained(naive)) > ROWS / 2


def search_of(asked: dict[str, Any]) -> ListQuery:
    return ListQuery(**{name: frozenset(value) if name == "statuses" else value for name, value in asked.items()})


def plan_of(search: ListQuery, project: Any, **part: Any) -> dict[str, Any]:
    return explained(api_pages.page_queryset(search, project=project, limit=51, **part))


def explained(jobs: Any) -> dict[str, Any]:
    plan: dict[str, Any] = json.loads(jobs.explain(format="json", analyze=True, buffers=True, timing=False))[0]["Plan"]
    return plan


def nodes_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes_of(below)


def indexes_walked(plan: dict[str, Any]) -> set[str]:
    """Return the indexes of the scans that ran, but for the look-up of single rows by their id; ``none``: all rows."""
    ran = [node for node in nodes_of(plan) if node["Actual Loops"]]
    walked = {node["Index Name"] for node in ran if "Index Name" in node and not is_look_up(node)}
    return walked | {"none" for node in ran if node["Node Type"] == "Seq Scan"}


def is_look_up(node: dict[str, Any]) -> bool:
    return bool(node["Index Name"] == "jobs_job_pkey" and node.get("Index Cond", "").startswith("(id = "))


def blocks_read(plan: dict[str, Any]) -> int:
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def rows_read(plan: dict[str, Any]) -> int:
    """Return how many entries of indexes and rows were looked at and kept, in all scans."""
    ran = [node for node in nodes_of(plan) if "Relation Name" in node]
    return int(sum(node["Actual Rows"] * node["Actual Loops"] for node in ran))


def rows_removed(plan: dict[str, Any]) -> int:
    return int(sum(node.get("Rows Removed by Filter", 0) * node["Actual Loops"] for node in nodes_of(plan)))
