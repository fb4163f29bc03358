"""Pages far down the list of a project, found by the counts of blocks: the same as without."""

import random
import re
from typing import Any

import pytest
from django.db import connection

from jobs.models import BLOCK_BITS, Job, JobBlock
from jobs.services.search import api_deep_pages
from jobs.services.search.api_pages import list_page
from jobs.services.search.api_query import ListOrder, ListQuery
from jobs.stats.block_counts import BlockCounter
from tests.support.concurrency import statements
from tests.support.factories import make_job, make_project
from tests.support.plans import analyze, block_counts_only

pytestmark = [pytest.mark.django_db(transaction=True), block_counts_only]

NEWEST_FIRST = ListOrder(by_start=False, descending=True)
OLDEST_FIRST = ListOrder(by_start=False, descending=False)


@pytest.fixture(autouse=True)
def _every_page_is_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_deep_pages, "DEEP_OFFSET", 0)


def fill(*, blocks: int, seed: int = 7) -> Any:
    """Make jobs of two projects in some blocks of ids, none of a few; return the first project."""
    chance = random.Random(seed)
    project, other = make_project(), make_project()
    for block in range(blocks):
        first = block << BLOCK_BITS
        for pk in sorted(chance.sample(range(first, first + (1 << BLOCK_BITS)), chance.choice([0, 1, 5, 9]))):
            make_job(pk=pk or 1, project=chance.choice([project, project, other]))
    make_job(pk=blocks << BLOCK_BITS, project=project)
    return project


def count_all() -> None:
    counter = BlockCounter()
    while counter.count():
        pass


@pytest.mark.parametrize(("counted", "seed"), [(12, 7), (0, 7), *((6, seed) for seed in range(3))])
def test_pages_are_those_of_offset_if_all_no_or_only_older_blocks_are_counted(counted: int, seed: int):
    project = fill(blocks=12, seed=seed)
    count_all()
    JobBlock.objects.filter(block__gte=counted).delete()
    ids = list(Job.objects.filter(project=project).order_by("pk").values_list("pk", flat=True))

    for order, expected in ((NEWEST_FIRST, ids[::-1]), (OLDEST_FIRST, ids)):
        for limit in (1, 7):
            for offset in range(len(ids) + 3):
                page = list_page(ListQuery(order=order), project=project, limit=limit, offset=offset)

                assert [job.id for job in page.jobs] == expected[offset : offset + limit]
                assert page.has_more is (len(ids) > offset + limit)
    assert len(ids) > 20
    assert JobBlock.objects.exists() is bool(counted)


def test_of_a_project_without_jobs_every_page_is_empty():
    fill(blocks=3)
    count_all()

    for order in (NEWEST_FIRST, OLDEST_FIRST):
        assert list(list_page(ListQuery(order=order), project=make_project(), limit=5, offset=5).jobs) == []


@pytest.mark.parametrize("order", [NEWEST_FIRST, OLDEST_FIRST])
def test_a_far_page_takes_one_statement_that_walks_one_index_from_where_the_page_lies(order: ListOrder):
    project = fill(blocks=12)
    count_all()
    analyze()

    with statements() as sent:
        list_page(ListQuery(order=order), project=project, limit=7, offset=20)
    with connection.cursor() as cursor:
        # Of so few rows, any plan is as good as another: leave those that must sort to the end.
        cursor.execute("SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off")
        cursor.execute("EXPLAIN " + sent[0])
        plan = "\n".join(row[0] for row in cursor.fetchall())
        cursor.execute("RESET enable_seqscan; RESET enable_bitmapscan; RESET enable_sort")

    assert len(sent) == 1
    assert "using jobs_job_list on" in plan
    assert re.search(r"Index Cond: .*ROW\(project_id, id\)", plan)


@pytest.mark.parametrize("search", [{"action": "touch"}, {"reference_id": "user-1@example.com"}])
def test_a_filter_is_not_answered_by_counts_of_all_jobs(search: dict[str, Any]):
    project = fill(blocks=4)
    count_all()

    page = list_page(ListQuery(**search), project=project, limit=200, offset=0)

    expected = Job.objects.filter(project=project, **search).order_by("-pk").values_list("pk", flat=True)
    assert [job.id for job in page.jobs] == list(expected)
