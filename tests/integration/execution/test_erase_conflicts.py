"""``erase`` among others: in each other's way, in front of rows that stay, beside those who add and move rows."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import Count

from jobs import JobContext
from jobs.execution.chunks import FIRST_BATCH, find_remaining
from jobs.execution.runner import Outcome
from jobs.models import Job
from tests.support.concurrency import (
    PATIENCE_SECONDS,
    InThread,
    execute,
    other_connection,
    postgresql_only,
    somebody_waits_for_a_lock,
    sqlite_only,
    statements,
    transaction_of,
    until,
)
from tests.support.execution import ANA, BEN, make_context, make_recordings, make_visits, run_attempt, visits_of
from tests.support.hostapp.models import Click, Recording, Visit

pytestmark = pytest.mark.django_db(transaction=True)


def done_of(context: JobContext) -> int:
    return Job.objects.get(pk=context.id).receipt["stores"]["visits"]["done"]


@contextmanager
def undeletable(table: str, condition: str = "true") -> Iterator[None]:
    """Let the database pass over every deletion of rows of ``table`` that meet ``condition``, without an error."""
    if connection.vendor == "postgresql":
        make = (
            "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
            f"CREATE TRIGGER keep BEFORE DELETE ON {table} FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION keep()",
        )
        remove = (f"DROP TRIGGER keep ON {table}", "DROP FUNCTION keep")
    else:
        make = (f"CREATE TRIGGER keep BEFORE DELETE ON {table} WHEN {condition} BEGIN SELECT RAISE(IGNORE); END",)
        remove = ("DROP TRIGGER keep",)
    execute(*make)
    try:
        yield
    finally:
        execute(*remove)


def test_two_that_erase_the_same_rows_leave_none_and_count_each_row_once():
    make_visits(ANA, 3_000)
    contexts = [make_context(), make_context()]

    erasing = [InThread(lambda context=context: context.erase("visits", visits_of(ANA))) for context in contexts]
    for thread in erasing:
        thread.result()

    assert not visits_of(ANA).exists()
    assert sum(map(done_of, contexts)) == 3_000


@postgresql_only
def test_a_row_that_another_transaction_holds_halves_the_batch_until_it_is_free():
    make_visits(ANA, 600)
    locked = visits_of(ANA).earliest("pk").pk
    context = make_context()

    with other_connection() as other:
        with transaction_of(other, f"SELECT 1 FROM hostapp_visit WHERE id = {locked} FOR UPDATE"):
            erasing = InThread(lambda: context.erase("visits", visits_of(ANA)))
            until(lambda: context.batch_size <= FIRST_BATCH // 2, what="a smaller batch")
        erasing.result()

    assert not visits_of(ANA).exists()
    assert done_of(context) == 600


@postgresql_only
def test_a_deadlock_costs_a_smaller_batch_not_the_job():
    make_visits(ANA, 400)
    first, last = visits_of(ANA).earliest("pk").pk, visits_of(ANA).latest("pk").pk
    touch = "UPDATE hostapp_visit SET owner = owner WHERE id = {}"
    context = make_context()

    with other_connection() as other:
        with other.cursor() as cursor:
            cursor.execute("SET deadlock_timeout = '20s'")  # so that the chunk is the one that is given up
        with transaction_of(other, touch.format(last)), other.cursor() as cursor:
            erasing = InThread(lambda: context.erase("visits", visits_of(ANA)))
            until(somebody_waits_for_a_lock, what="the chunk to meet our row")
            cursor.execute(touch.format(first))
        erasing.result()

    assert not visits_of(ANA).exists()
    assert done_of(context) == 400


@sqlite_only
def test_a_writer_that_holds_the_database_halves_the_batch_until_it_is_free():
    make_visits(ANA, 600)
    context = make_context()
    begun, counted, held = [], threading.Event(), threading.Event()

    def pause(execute: Callable[..., Any], sql: str, params: Any, many: bool, about: dict[str, Any]) -> Any:
        begun.append(sql.startswith("BEGIN"))
        if sum(begun) == 2:  # the first chunk notes how many there are
            counted.set()
            held.wait(PATIENCE_SECONDS)
        return execute(sql, params, many, about)

    def erase() -> None:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout = 20")
        with connection.execute_wrapper(pause):
            context.erase("visits", visits_of(ANA))

    with other_connection() as other:
        erasing = InThread(erase)
        until(counted.is_set, what="the first chunk that deletes")
        with transaction_of(other):
            held.set()
            until(lambda: context.batch_size <= FIRST_BATCH // 2, what="a smaller batch")
        erasing.result()

    assert not visits_of(ANA).exists()
    assert done_of(context) == 600


@pytest.mark.parametrize("kept", [1, 700])
def test_rows_that_cannot_be_deleted_end_the_attempt_with_a_plain_reason_after_all_others_are_deleted(kept: int):
    make_visits(ANA, 700)
    first = visits_of(ANA).earliest("pk").pk

    with undeletable("hostapp_visit", f"OLD.id < {first + kept}"):
        ran, job = run_attempt(lambda context: context.erase("visits", visits_of(ANA)), max_attempts=1)

    assert ran.outcome is Outcome.FAILED
    assert visits_of(ANA).count() == kept
    assert job.receipt["stores"]["visits"] == {"found": 700, "done": 700 - kept, "left": kept}
    assert job.errors == "There are still rows in visits: others add them, or they cannot be deleted."
    assert "verified_at" not in job.receipt


@postgresql_only
@pytest.mark.parametrize("model", [Visit, Recording])
def test_a_row_that_another_transaction_gives_away_while_the_chunk_waits_survives_with_its_cascade(model: Any):
    make_visits(ANA, 5)
    Click.objects.bulk_create([Click(recording=recording) for recording in make_recordings(ANA, 5)])
    moved = model.objects.latest("pk").pk
    context = make_context()

    with other_connection() as other:
        with transaction_of(other, f"UPDATE {model._meta.db_table} SET owner = '{BEN}' WHERE id = {moved}"):
            erasing = InThread(lambda: context.erase("visits", model.objects.filter(owner=ANA)))
            until(somebody_waits_for_a_lock, what="the chunk to meet the row")
        erasing.result()

    assert list(model.objects.values_list("pk", "owner")) == [(moved, BEN)]
    assert Click.objects.count() == (1 if model is Recording else 5)
    assert done_of(context) == 4


@postgresql_only
def test_a_row_of_a_group_that_is_given_away_while_the_chunk_waits_survives():
    Click.objects.bulk_create([Click(recording=recording) for recording in make_recordings(ANA, 5) * 2])
    moved = Recording.objects.latest("pk").pk
    context = make_context()
    rows = Recording.objects.filter(owner=ANA).alias(n=Count("clicks")).filter(n=2)

    with other_connection() as other:
        with transaction_of(other, f"UPDATE hostapp_recording SET owner = '{BEN}' WHERE id = {moved}"):
            erasing = InThread(lambda: context.erase("visits", rows))
            until(somebody_waits_for_a_lock, what="the chunk to meet the row")
        erasing.result()

    assert list(Recording.objects.values_list("pk", "owner")) == [(moved, BEN)]
    assert done_of(context) == 4


def test_the_last_check_of_several_stores_is_one_statement_at_one_instant():
    make_visits(ANA, 3)
    make_recordings(BEN, 2)
    stores = {"visits": visits_of(ANA), "recordings": Recording.objects.filter(owner=ANA), "none": Visit.objects.none()}

    with statements() as sent:
        at, left = find_remaining(stores)

    assert len(sent) == 1
    assert left == ("visits",)
    assert at.utcoffset() == timedelta(0)


def test_rows_that_are_usually_read_with_others_are_erased_too():
    recordings = make_recordings(ANA, 2)
    Click.objects.bulk_create(Click(recording=recording) for recording in recordings * 3)
    context = make_context()

    context.erase("clicks", Click.objects.select_related("recording").filter(recording__owner=ANA))

    assert not Click.objects.exists()
    assert Recording.objects.count() == 2
