"""Every hot query is served by its index, and no index is without a query."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import pytest
from django.db import connection
from django.db.models import Index, Q, QuerySet

from jobs import list_jobs
from jobs.lifecycle import transitions
from jobs.models import Job
from jobs.status import Status
from tests.support.concurrency import execute, postgresql_only
from tests.support.factories import fence_of, make_project, make_running_job

pytestmark = pytest.mark.django_db

PROJECTS: Final = 250
JOBS: Final = 50_000

COLUMNS_OF: Final = {
    "jobs_job_list": ["project", "id"],
    "jobs_job_list_by_status": ["project", "status", "id"],
    "jobs_job_list_by_status_start": ["project", "status", "start_at", "id"],
    "jobs_job_groups_of_action": ["project", "action", "id >> 12"],
    "jobs_job_of_reference": ["reference_id", "project", "id"],
    "jobs_job_blocks_by_created": ["project", "id >> 14", "created_at"],
    "jobs_job_blocks_by_start": ["project", "id >> 14", "start_at"],
    "jobs_job_waiting": ["due_at", "id"],
    "jobs_job_waiting_of_project": ["project", "due_at", "id"],
    "jobs_job_reserved": ["reserved_until"],
    "jobs_job_running": ["project", "id"],
    "jobs_job_status": ["status", "id"],
    "jobs_job_failures": ["finished_at"],
    "jobs_job_interrupted": ["interruptions"],
    "jobs_job_to_redact": ["finished_at", "id"],
}
WRITTEN_BY_BEATS_AND_PROGRESS: Final = {
    "lease_expires_at", "progress_done", "progress_total", "progress_at", "receipt", "bulk_positions", "updated_at",
}  # fmt: skip


FILL: Final = """
    INSERT INTO jobs_job (project_id, action, reference_id, description, status, created_at, start_at, due_at,
        attempt, crashes, failures, progress_done, receipt, finished_at, worker, lease_token, lease_expires_at)
    SELECT %s + (number * 7919) %% %s, 'touch', 'user-' || number, 'Touch', kind, now(), now(),
        now() + (number - 60) * interval '1 s', 1, 0, 0, 0, '{{}}',
        CASE kind WHEN 'completed' THEN now() END,
        CASE kind WHEN 'scheduled' THEN NULL ELSE 'host:1:aaaa' END,
        CASE kind WHEN 'running' THEN gen_random_uuid() END,
        CASE kind WHEN 'running' THEN now() + (number - 100) * interval '1 s' END
    FROM generate_series(1, %s) AS number, LATERAL (SELECT {kind} AS kind) AS kinds
"""
# Nearly all have ended, some wait, a few of these are due, a few run.
KIND: Final = "CASE WHEN number <= 2000 THEN 'scheduled' WHEN number <= 2040 THEN 'running' ELSE 'completed' END"


@pytest.fixture(scope="module")
def many_jobs(django_db_setup: None, django_db_blocker: Any) -> Iterator[list[Any]]:
    """A table with the shape of one in use; its projects."""
    with django_db_blocker.unblock():
        projects = [make_project() for _ in range(PROJECTS)]
        with connection.cursor() as cursor:
            cursor.execute(FILL.format(kind=KIND), [projects[0].pk, PROJECTS, JOBS])
            cursor.execute("ANALYZE jobs_job")
    yield projects
    with django_db_blocker.unblock():
        Job.objects.all()._raw_delete(Job.objects.db)
        for project in projects:
            project.delete()
            project.organization.delete()


def plan_of(rows: QuerySet[Job]) -> str:
    return str(rows.explain())


# Queries on the jobs of a project: the index, or one of them if either is as good, that serves each.
SERVED: Final[dict[str, tuple[Any, tuple[str, ...]]]] = {
    "list": (lambda project: list_jobs(project=project)[:50], ("Index Scan Backward using jobs_job_list on",)),
    "list by status": (
        lambda project: list_jobs(project=project).filter(status=Status.RUNNING)[:50],
        ("jobs_job_list_by_status", "jobs_job_running"),
    ),
    "due": (lambda _: Job.objects.due().order_by("due_at", "pk")[:200], ("using jobs_job_waiting on",)),
    "next due time": (
        lambda _: Job.objects.waiting().order_by("due_at", "pk").values_list("due_at")[:1],
        ("using jobs_job_waiting on",),
    ),
    "expired": (lambda _: Job.objects.expired(), ("jobs_job_running",)),
    "running": (
        lambda _: Job.objects.filter(status=Status.RUNNING).order_by(),
        ("jobs_job_running",),
    ),
    "active job of a reference": (
        lambda project: Job.objects.in_project(project).active().filter(action="touch", unique_key="user-1"),
        ("jobs_job_one_active",),
    ),
    "interrupted": (
        lambda _: Job.objects.active().filter(interruptions__gt=0).order_by("-interruptions")[:1],
        ("jobs_job_interrupted",),
    ),
    "reference": (
        lambda _: Job.objects.filter(reference_id="user-77").order_by("-pk")[:100],
        ("jobs_job_of_reference",),
    ),
    "status": (
        lambda _: Job.objects.filter(status=Status.SCHEDULED).order_by("-pk")[:100],
        ("jobs_job_status", "Index Scan Backward using jobs_job_pkey"),
    ),
}


@postgresql_only
@pytest.mark.parametrize(("query", "indexes"), SERVED.values(), ids=SERVED)
def test_a_hot_query_is_served_by_its_index(many_jobs: list[Any], query: Any, indexes: tuple[str, ...]):
    plan = plan_of(query(many_jobs[3]))

    assert any(index in plan for index in indexes)
    assert "Seq Scan" not in plan


@postgresql_only
def test_lists_are_read_in_order_and_due_jobs_without_a_filter(many_jobs: list[Any]):
    of_project, due = (plan_of(SERVED[name][0](many_jobs[3])) for name in ("list", "due"))

    assert "Sort" not in of_project + due
    assert "Filter" not in due  # held jobs are not in the index


def columns_of(index: Index) -> list[str]:
    """Return the columns, and what is computed of them."""
    return index.fields or [re.sub(r"(?:F|Value)\((\w+)\)", r"\1", str(part)) for part in index.expressions]


def names_in(condition: Q) -> set[str]:
    """Return the fields of a condition, without lookups."""
    return {
        lookup.partition("__")[0]
        for child in condition.children
        for lookup in (names_in(child) if isinstance(child, Q) else {child[0]})
    }


def test_the_model_and_the_table_have_these_indexes_and_no_other():
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, "jobs_job")

    assert {index.name: columns_of(index) for index in Job._meta.indexes} == COLUMNS_OF
    indexes = {name for name, what in found.items() if what["index"] and not what["primary_key"] and not what["unique"]}
    assert indexes == set(COLUMNS_OF)
    assert {name for name, what in found.items() if what["unique"] and not what["primary_key"]} == {
        "jobs_job_one_active", "jobs_job_one_of_call", "jobs_job_one_retry",
    }  # fmt: skip


def test_no_index_has_a_column_that_beats_or_progress_write():
    indexed = {field for fields in COLUMNS_OF.values() for field in fields}
    in_conditions = {name for index in Job._meta.indexes if index.condition for name in names_in(index.condition)}

    assert (indexed | in_conditions).isdisjoint(WRITTEN_BY_BEATS_AND_PROGRESS)
    assert not any(field.db_index or field.unique for field in Job._meta.fields if not field.primary_key)


@postgresql_only
def test_a_heartbeat_writes_to_no_index():
    execute("TRUNCATE jobs_job CASCADE")  # so that the pages have room for new versions of their rows
    fences = [fence_of(make_running_job()) for _ in range(10)]
    before = rows_written()

    for fence in fences:
        transitions.renew([fence], lease=timedelta(minutes=1))

    written, by_hot = (now - then for now, then in zip(rows_written(), before, strict=True))
    assert written == by_hot == len(fences)


def rows_written() -> tuple[int, int]:
    """Return how many jobs this transaction has updated, and how many of these in their page and no index (HOT)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_stat_get_xact_tuples_updated(oid), pg_stat_get_xact_tuples_hot_updated(oid) "
            "FROM pg_class WHERE oid = 'jobs_job'::regclass"
        )
        updated, by_hot = cursor.fetchone()
    return updated, by_hot
