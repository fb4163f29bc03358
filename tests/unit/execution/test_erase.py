"""``erase``: all rows of one kind, and no other, in chunks that a cancel can come between."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.db.models import Count, Exists, OuterRef, Window
from django.db.models.functions import RowNumber

from jobs import JobContext
from jobs.exceptions import ActionMisused
from jobs.execution.runner import Outcome
from jobs.models import Job
from tests.support.concurrency import statements
from tests.support.execution import (
    ANA,
    BEN,
    claim_again,
    make_context,
    make_recordings,
    make_visits,
    run_attempt,
    visits_of,
)
from tests.support.hostapp.models import Click, Recording, Visit

pytestmark = pytest.mark.django_db

# Statements that open and close transactions; on PostgreSQL BEGIN is the driver's.
BRACKETS = ("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT", "ROLLBACK")


def erase_visits(context: JobContext) -> None:
    context.erase("visits", visits_of(ANA))


@pytest.mark.parametrize("count", [0, 1, 999, 1_000, 1_001, 25_000])
def test_every_row_is_erased_and_told_in_the_receipt(count: int):
    make_visits(ANA, count)
    make_visits(BEN, 7)

    ran, job = run_attempt(erase_visits)

    assert ran.outcome is Outcome.COMPLETED
    assert (visits_of(ANA).count(), visits_of(BEN).count()) == (0, 7)
    assert job.receipt["stores"] == {"visits": {"found": count, "done": count, "left": 0}}
    assert (job.progress_done, job.progress_total) == (count, count)


def test_the_receipt_counts_rows_of_the_model_not_of_the_cascade():
    recordings = make_recordings(ANA, 10)
    Click.objects.bulk_create([Click(recording=recording) for recording in recordings for _ in range(5)])

    _, job = run_attempt(lambda context: context.erase("recordings", Recording.objects.filter(owner=ANA)))

    assert job.receipt["stores"] == {"recordings": {"found": 10, "done": 10, "left": 0}}
    assert job.progress_done == 10
    assert not Click.objects.exists()


def test_each_store_has_its_own_line_in_the_receipt_and_progress_is_their_sum():
    recordings = make_recordings(ANA, 3)
    Click.objects.bulk_create([Click(recording=recordings[0]) for _ in range(4)])
    make_visits(ANA, 2)

    def erase_all(context: JobContext) -> None:
        mine = Recording.objects.filter(owner=ANA)
        context.erase("clicks", Click.objects.filter(recording__in=mine))
        context.erase("recordings", mine)
        erase_visits(context)

    _, job = run_attempt(erase_all)

    done = {store: line["done"] for store, line in job.receipt["stores"].items()}
    assert done == {"clicks": 4, "recordings": 3, "visits": 2}
    assert (job.progress_done, job.progress_total) == (9, 9)


def test_while_it_runs_the_receipt_says_what_is_left():
    make_visits(ANA, 1_200)
    context = make_context()
    seen: list[dict[str, int]] = []

    def look(execute: Callable[..., Any], sql: str, params: Any, many: bool, about: dict[str, Any]) -> Any:
        if sql.startswith("DELETE"):
            seen.append(Job.objects.get(pk=context.id).receipt["stores"]["visits"])
        return execute(sql, params, many, about)

    with connection.execute_wrapper(look):
        erase_visits(context)

    assert seen[0] == {"found": 1_200, "done": 0, "left": 1_200}
    assert all(line["done"] + line["left"] == line["found"] == 1_200 for line in seen)
    assert len(seen) > 1


def test_a_second_attempt_goes_on_counting_where_the_first_one_died():
    make_visits(ANA, 1_200)

    def die_after_a_chunk(context: JobContext) -> None:
        context.expect(1_200)
        keys = list(visits_of(ANA).values_list("pk", flat=True)[:500])
        with context.chunk() as chunk:
            chunk.add("visits", visits_of(ANA).filter(pk__in=keys).delete()[0])
        raise MemoryError

    _, job = run_attempt(die_after_a_chunk)
    _, job = run_attempt(erase_visits, claim_again(job))

    assert job.receipt["stores"] == {"visits": {"found": 1_200, "done": 1_200, "left": 0}}
    assert (job.progress_done, job.progress_total) == (1_200, 1_200)


def test_a_row_that_changes_owner_after_it_was_counted_survives():
    make_visits(ANA, 3)
    moved = visits_of(ANA).latest("pk")

    def give_away(execute: Callable[..., Any], sql: str, params: Any, many: bool, about: dict[str, Any]) -> Any:
        result = execute(sql, params, many, about)
        if "COUNT" in sql and "hostapp_visit" in sql:
            Visit.objects.filter(pk=moved.pk).update(owner=BEN)
        return result

    context = make_context()
    with connection.execute_wrapper(give_away):
        erase_visits(context)

    assert list(Visit.objects.values_list("pk", "owner")) == [(moved.pk, BEN)]
    assert Job.objects.get(pk=context.id).receipt["stores"]["visits"]["done"] == 2


UNFIT = {
    "sliced": lambda: Visit.objects.all()[:3],
    "distinct": lambda: Visit.objects.distinct(),
    "values": lambda: Visit.objects.values("owner"),
    "values_list": lambda: Visit.objects.values_list("pk"),
    "union": lambda: Visit.objects.all().union(Visit.objects.all()),
    "aggregated": lambda: Visit.objects.annotate(n=Count("pk")),
}


@pytest.mark.parametrize("rows", UNFIT.values(), ids=UNFIT.keys())
def test_a_queryset_that_cannot_be_deleted_is_refused_and_an_ordered_one_is_erased(rows: Callable[[], Any]):
    make_visits(ANA, 5)

    with pytest.raises(ActionMisused):
        make_context().erase("visits", rows())
    left = Visit.objects.count()
    make_context().erase("visits", Visit.objects.order_by("-owner"))

    assert (left, Visit.objects.count()) == (5, 0)


UNLOCKABLE = {
    "group": lambda rows: rows.alias(n=Count("clicks")).filter(n__gte=2),
    "window": lambda rows: rows.alias(n=Window(RowNumber(), partition_by="owner", order_by="pk")).filter(n__lte=200),
    "subquery": lambda rows: rows.alias(has=Exists(Click.objects.filter(recording=OuterRef("pk")))).filter(has=True),
}


@pytest.mark.parametrize("narrow", UNLOCKABLE.values(), ids=UNLOCKABLE.keys())
def test_rows_of_a_group_or_a_window_are_erased_on_every_database(narrow: Callable[[Any], Any]):
    clicked = make_recordings(ANA, 200)
    make_recordings(ANA, 3)
    Click.objects.bulk_create([Click(recording=recording) for recording in clicked for _ in range(2)])

    def erase(context: JobContext) -> None:
        keys = list(narrow(Recording.objects.filter(owner=ANA)).values_list("pk", flat=True))
        context.erase("recordings", narrow(Recording.objects.filter(owner=ANA, pk__in=keys)))

    ran, job = run_attempt(erase)

    assert ran.outcome is Outcome.COMPLETED, job.events.last().detail
    assert job.receipt["stores"]["recordings"] == {"found": 200, "done": 200, "left": 0}
    assert Recording.objects.count() == 3


def test_a_chunk_costs_a_fixed_number_of_statements():
    def cost(rows: int) -> int:
        make_visits(ANA, rows)
        context = make_context()
        context._batch.learn = lambda seconds, count: None  # type: ignore[method-assign]
        context._batch.rows = 100
        with statements(without=BRACKETS) as sent:
            erase_visits(context)
        return len(sent)

    few, many = cost(rows=200), cost(rows=700)

    # Keys, limits (PostgreSQL), fence, DELETE, counts read, counts written.
    assert (many - few) / 5 <= 6
