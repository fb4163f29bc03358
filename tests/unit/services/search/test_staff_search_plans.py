"""How PostgreSQL finds the jobs of staff's filters in a long list that is not as its planner expects."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.models import Job
from jobs.services.search import facets, staff_search
from jobs.services.search.planner import index_scans_only
from jobs.services.search.staff_filter import JobFilter
from tests.support.concurrency import postgresql_only
from tests.support.long_list import BEGAN, ROWS, blocks_read, explained, indexes_scanned, nodes_of, project

__all__ = ["project"]  # a fixture

pytestmark = [pytest.mark.django_db, postgresql_only]

PAGE: Final = 51
COUNTED: Final = 10_001
SMALL: Final = 2_000
# Blocks of 8 kB for a page: the root, the branches and some leaves of an index, and the rows.
FEW: Final = 450
LATE: Final = BEGAN + timedelta(days=10_000)
SOON: Final = BEGAN + timedelta(minutes=ROWS - 100)


@pytest.fixture(autouse=True)
def small_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window as small beside this list as the real one is beside ten million."""
    monkeypatch.setattr(staff_search, "WINDOW", SMALL)
    monkeypatch.setattr(facets, "SAMPLE", SMALL)


OF_ALL: Final = {"jobs_job_list_by_status": "jobs_job_status", "jobs_job_waiting_of_project": "jobs_job_waiting"}

EXACT: Final[list[tuple[dict[str, Any], str]]] = [
    ({}, "jobs_job_pkey"),
    ({"status": "failed"}, "jobs_job_status"),
    ({"status": "running"}, "jobs_job_running"),
    ({"status": "scheduled"}, "jobs_job_status"),
    ({"status": "cancelled"}, "jobs_job_status"),
    ({"project": True}, "jobs_job_list"),
    ({"project": True, "status": "failed"}, "jobs_job_list_by_status"),
    ({"project": True, "status": "completed"}, "jobs_job_list_by_status"),
    ({"due_until": LATE}, "jobs_job_waiting"),
    ({"due_until": LATE, "project": True}, "jobs_job_waiting_of_project"),
    ({"search": "early"}, "jobs_job_of_reference"),
    ({"search": "user-77"}, "jobs_job_of_reference"),
    ({"search": "nobody"}, "jobs_job_of_reference"),
    ({"search": "early", "project": True}, "jobs_job_of_reference"),
]


@pytest.mark.parametrize(("wanted", "index"), EXACT, ids=str)
@pytest.mark.parametrize("reverse", [False, True], ids=["newest first", "oldest first"])
def test_conditions_with_an_index_are_read_from_it_in_its_order(project: Any, wanted: Any, index: str, reverse: bool):
    result = search_jobs(wanted, project, reverse=reverse)

    plan = planned(result.jobs[:PAGE])
    counted = planned(result.jobs.values("pk")[:COUNTED])

    # All jobs are of one project, and the planner knows: an index of all projects may be as good.
    assert indexes_scanned(plan) | indexes_scanned(counted) <= {index, OF_ALL.get(index, index)}
    assert blocks_read(plan) <= FEW
    assert entries_looked_at(counted) <= COUNTED


RESIDUAL: Final[list[tuple[dict[str, Any], str]]] = [
    ({"action": "rare"}, "jobs_job_pkey"),
    ({"retried": True}, "jobs_job_pkey"),
    ({"started_from": BEGAN}, "jobs_job_pkey"),
    ({"created_from": SOON}, "jobs_job_pkey"),
    ({"status": "completed"}, "jobs_job_pkey"),
    ({"status": "completed", "retried": True}, "jobs_job_pkey"),
    ({"status": "completed", "action": "rare"}, "jobs_job_pkey"),
    ({"status": "cancelled", "retried": True}, "jobs_job_status"),
    ({"status": "cancelled", "created_from": SOON}, "jobs_job_status"),
    ({"status": "scheduled", "started_from": BEGAN}, "jobs_job_status"),
    ({"project": True, "retried": True}, "jobs_job_list"),
    ({"project": True, "status": "completed", "action": "rare"}, "jobs_job_list_by_status"),
    ({"project": True, "action": "rare"}, "jobs_job_list"),
    ({"project": True, "action": "touch", "retried": True}, "jobs_job_list"),
    ({"due_until": LATE, "action": "rare"}, "jobs_job_waiting"),
    ({"due_until": LATE, "project": True, "retried": True}, "jobs_job_waiting_of_project"),
]


@pytest.mark.parametrize(("wanted", "index"), RESIDUAL, ids=str)
@pytest.mark.parametrize("share", [None, 0.5], ids=["from the newest on", "from the middle on"])
def test_conditions_without_an_index_read_at_most_a_window(project: Any, wanted: Any, index: str, share: float | None):
    first = Job.objects.order_by("pk").values_list("pk", flat=True)[0]
    before = None if share is None or "due_until" in wanted else first + int(ROWS * share)

    result = search_jobs(wanted, project, before=before)
    plan = planned(result.jobs[:PAGE])

    assert indexes_scanned(plan) <= {index, OF_ALL.get(index, index)}, indexes_scanned(plan)
    assert entries_looked_at(plan) <= SMALL + 1
    # Entries beyond a bound whose rows PostgreSQL does not read are counted nowhere else.
    rows_in_blocks_of_their_own = SMALL if wanted.get("status") == "cancelled" else 0
    assert blocks_read(plan) <= FEW + rows_in_blocks_of_their_own


def test_where_a_window_ends_is_found_in_the_index_alone(project: Any):
    for wanted in ({"status": "cancelled"}, {"project": project.pk}, {}, {"due_until": LATE}):
        scan = staff_search.choose_scan(JobFilter(**wanted))

        plan = planned(scan.ordered().values_list(*scan.keys)[SMALL - 1 : SMALL + 1])

        kinds = {node["Node Type"] for node in nodes_of(plan) if "Relation Name" in node}
        assert kinds == {"Index Only Scan"}
        assert entries_looked_at(plan) <= SMALL + 1


def test_what_may_be_an_id_or_a_reference_reads_a_few_rows(project: Any):
    plan = planned(search_jobs({"search": "77"}, project).jobs[:PAGE])

    assert blocks_read(plan) <= 50


def test_counting_all_choices_looks_at_bounded_parts_of_indexes(project: Any):
    choices = {"rare": {"action": "rare"}, "touch": {"action": "touch"}}
    spans = {"day": {"created_from": SOON}, "ever": {"started_from": BEGAN}}
    statuses = {status: {"status": status} for status in ("completed", "failed", "scheduled")}

    with CaptureQueriesContext(connection) as captured:
        for rest in (JobFilter(), JobFilter(project=project.pk), JobFilter(status="completed", retried=True)):
            groups = {"action": (rest, choices), "span": (rest, spans), "status": (rest, statuses)}
            facets.count_choices(groups)

    for query in (query for query in captured if "jobs_job" in query["sql"]):
        with index_scans_only(), connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {query['sql']}")
            plan = cursor.fetchone()[0][0]["Plan"]
        assert entries_looked_at(plan) <= max(SMALL, COUNTED), query["sql"]


def test_the_planner_alone_would_read_most_of_the_list(project: Any):
    """Or else the plans above prove nothing."""
    jobs = Job.objects.filter(status="completed", attempt__gte=2).order_by("-pk")

    naive = explained(jobs[:PAGE])

    assert entries_looked_at(naive) > ROWS / 2


def planned(jobs: Any) -> dict[str, Any]:
    with index_scans_only():
        return explained(jobs)


def search_jobs(wanted: dict[str, Any], project: Any, **where: Any) -> staff_search.SearchResult:
    of_project = {"project": project.pk} if "project" in wanted else {}
    return staff_search.search_jobs(JobFilter(**{**wanted, **of_project}), **where)


def entries_looked_at(plan: dict[str, Any]) -> int:
    """Return how many entries of indexes and rows were looked at, kept or not, in all scans."""
    ran: Iterator[dict[str, Any]] = (node for node in nodes_of(plan) if "Relation Name" in node)
    return int(
        sum((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in ran)
    )
