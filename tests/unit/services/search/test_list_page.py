"""``list_page`` against a plain model: the same jobs filtered, sorted and cut by Python."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Final

import pytest

from jobs.models import Job
from jobs.services.search import api_sql
from jobs.services.search.api_pages import list_page
from jobs.services.search.api_query import ListOrder, ListQuery, Position
from jobs.status import Status
from tests.support.concurrency import statements
from tests.support.factories import LONG_AGO, make_job, make_project

pytestmark = pytest.mark.django_db


ROWS: Final = 240
MINUTE: Final = timedelta(minutes=1)
ORDERS: Final = [ListOrder(by_start=start, descending=down) for start in (False, True) for down in (False, True)]


def at(minute: int) -> datetime:
    return LONG_AGO + minute * MINUTE


QUERIES: Final[dict[str, dict[str, Any]]] = {
    "all": {},
    "one status": {"statuses": frozenset({Status.FAILED})},
    "two statuses": {"statuses": frozenset({Status.FAILED, Status.SCHEDULED})},
    "every status": {"statuses": frozenset(Status)},
    "an action": {"action": "erase"},
    "an unknown action": {"action": "no such action"},
    "a reference": {"reference_id": "user-3"},
    "an unknown reference": {"reference_id": "nobody"},
    "created from": {"created_from": at(150)},
    "created to": {"created_to": at(60)},
    "created between": {"created_from": at(80), "created_to": at(120)},
    "created never": {"created_from": at(120), "created_to": at(80)},
    "start from": {"start_from": at(20)},
    "start to": {"start_to": at(5)},
    "start between": {"start_from": at(3), "start_to": at(9)},
    "status and action": {"statuses": frozenset({Status.COMPLETED}), "action": "erase"},
    "statuses and created": {
        "statuses": frozenset({Status.COMPLETED, Status.CANCELLED}), "created_from": at(50), "created_to": at(200),
    },
    "action and start": {"action": "touch", "start_from": at(10)},
    "reference and status": {"reference_id": "user-1", "statuses": frozenset({Status.COMPLETED})},
    "created and start": {"created_to": at(200), "start_from": at(10)},
    "all at once": {
        "statuses": frozenset({Status.COMPLETED, Status.FAILED}), "action": "erase", "reference_id": "user-1",
        "created_from": at(10), "created_to": at(220), "start_from": at(1), "start_to": at(29),
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def jobs(django_db_setup: None, django_db_blocker: Any) -> Iterator[list[Job]]:
    """Rows of one project, many with the same start, created in no order of ids; between them, another project's."""
    chance = random.Random(20)
    with django_db_blocker.unblock():
        project, other = make_project(), make_project()
        made = [
            make_job(
                project=chance.choice([project, project, project, other]),
                status=chance.choice([*Status, Status.COMPLETED, Status.COMPLETED]),
                action=chance.choice(["touch", "erase"]),
                reference_id=f"user-{chance.randrange(8)}",
                created_at=at(number + chance.choice([0, 0, 0, -60, 60])),
                start_at=at(chance.randrange(30)),
            )
            for number in range(ROWS)
        ]
    yield [job for job in made if job.project == project]
    with django_db_blocker.unblock():
        Job.objects.filter(pk__in=[job.pk for job in made]).delete()
        for one in (project, other):
            one.delete()
            one.organization.delete()


def model_of(jobs: list[Job], query: ListQuery) -> list[int]:
    """Return the ids that a query must find, in order."""
    found = [
        job
        for job in jobs
        if (query.statuses is None or job.status in query.statuses)
        and query.action in (None, job.action)
        and query.reference_id in (None, job.reference_id)
        and (query.created_from is None or job.created_at >= query.created_from)
        and (query.created_to is None or job.created_at < query.created_to)
        and (query.start_from is None or job.start_at >= query.start_from)
        and (query.start_to is None or job.start_at < query.start_to)
    ]
    by_start = query.order.by_start
    found.sort(key=lambda job: (job.start_at, job.pk) if by_start else job.pk, reverse=query.order.descending)
    return [job.pk for job in found]


@pytest.mark.parametrize("order", ORDERS, ids=str)
@pytest.mark.parametrize("what", QUERIES)
def test_pages_by_number_are_slices_of_the_model(jobs: list[Job], what: str, order: ListOrder):
    query = ListQuery(**QUERIES[what], order=order)
    expected = model_of(jobs, query)

    for limit in (1, 7, 200):
        for number in (0, 1, 2, 5, 40):
            page = list_page(query, project=jobs[0].project, limit=limit, offset=number * limit)

            assert [job.id for job in page.jobs] == expected[number * limit : (number + 1) * limit]
            assert page.has_more is (len(expected) > (number + 1) * limit)


@pytest.fixture(params=[0, 3, ROWS], ids=["few blocks", "many blocks", "many blocks, narrow filters"])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they are, or so small that the list has many, and no filter, or each, is narrow."""
    if request.param:
        monkeypatch.setattr(api_sql, "NARROW", dict.fromkeys(api_sql.NARROW, request.param))
        monkeypatch.setattr(api_sql, "BLOCK_BITS", 3)
        monkeypatch.setattr(api_sql, "BLOCK", "id >> 3")
        monkeypatch.setattr(api_sql, "GROUP_BITS", 2)
        monkeypatch.setattr(api_sql, "GROUP", "id >> 2")


@pytest.mark.parametrize("order", ORDERS, ids=str)
@pytest.mark.parametrize("what", QUERIES)
def test_pages_by_position_are_the_whole_list_of_the_model(blocks: None, jobs: list[Job], what: str, order: ListOrder):
    query = ListQuery(**QUERIES[what], order=order)
    expected = model_of(jobs, query)

    page = list_page(query, project=jobs[0].project, limit=7, offset=3)

    assert [job.id for job in page.jobs] == expected[3:10]
    assert all_pages(query, jobs[0].project, limit=7) == expected


def all_pages(query: ListQuery, project: Any, *, limit: int) -> list[int]:
    found: list[int] = []
    after = None
    for _ in count():
        page = list_page(query, project=project, limit=limit, after=after)
        found += [job.id for job in page.jobs]
        if not page.has_more:
            return found
        last = page.jobs[-1]
        after = Position(job_id=last.id, start_at=last.start_at if query.order.by_start else None)
    raise AssertionError


@pytest.mark.parametrize("what", QUERIES)
def test_a_page_takes_one_statement_and_counts_nothing(jobs: list[Job], what: str):
    project = jobs[0].project
    for order in ORDERS:
        with statements() as sent:
            page = list_page(ListQuery(**QUERIES[what], order=order), project=project, limit=50)
            assert all(job.status for job in page.jobs)

        # With filters, PostgreSQL also limits the time of the transaction.
        (search,) = [sql for sql in sent if "jobs_job" in sql]
        assert "COUNT(" not in search.upper()


def test_a_page_where_no_table_reaches_takes_no_statement(jobs: list[Job]):
    with statements() as sent:
        page = list_page(ListQuery(), project=jobs[0].project, limit=200, offset=2**62 + 1)

    assert (list(page.jobs), page.has_more, sent) == ([], False, [])
