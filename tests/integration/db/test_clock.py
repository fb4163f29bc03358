"""The database's clock, as it is written, compared and read."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.db import connection, transaction
from django.db.models import DateTimeField, ExpressionWrapper, F
from django.db.models.functions import Now

from jobs.db import clock
from jobs.models import Job
from tests.support.concurrency import (
    InThread,
    execute,
    one_value,
    other_connection,
    postgresql_only,
    somebody_waits_for_a_lock,
    sqlite_only,
    transaction_of,
    until,
)
from tests.support.factories import LONG_AGO, make_job

A_MILLISECOND = timedelta(milliseconds=1)

pytestmark = pytest.mark.django_db


def written(job: Job, moment: clock.Moment) -> datetime:
    """Write ``moment`` into the row and read it back."""
    Job.objects.filter(pk=job.pk).update(due_at=moment)
    job.refresh_from_db()
    return job.due_at


def test_the_clock_is_the_present_in_utc_whether_written_or_read():
    host_before, before = datetime.now(UTC), clock.read(connection)
    now = written(make_job(), clock.NOW)
    after, host_after = clock.read(connection), datetime.now(UTC)

    assert host_before - A_MILLISECOND <= before <= now <= after <= host_after
    assert now.utcoffset() == before.utcoffset() == timedelta(0)


@sqlite_only
def test_the_clock_is_written_in_one_text_form():
    job = make_job()

    Job.objects.filter(pk=job.pk).update(due_at=clock.NOW, updated_at=clock.after(clock.NOW, timedelta(days=-3)))

    for column in ("due_at", "updated_at"):
        text = one_value(f"SELECT CAST({column} AS text) FROM jobs_job")
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}000", text)


@sqlite_only
@pytest.mark.parametrize(
    "text", ["2026-03-01 12:00:00.000000", "2026-03-01 12:00:00.250000", "2026-03-01 12:00:00.999000"]
)
def test_the_text_form_sorts_among_the_instants_that_django_writes(text: str):
    execute(f"UPDATE jobs_job SET due_at = '{text}' WHERE id = {make_job().pk}")
    instant = datetime.fromisoformat(text).replace(tzinfo=UTC)

    for wait in (A_MILLISECOND, timedelta(microseconds=1), timedelta(seconds=1)):
        assert Job.objects.filter(due_at__gt=instant - wait, due_at__lt=instant + wait).exists()
        assert not Job.objects.filter(due_at__lt=instant - wait).exists()
        assert not Job.objects.filter(due_at__gt=instant + wait).exists()


@pytest.mark.parametrize("fraction", [0, 1, 500_000, 999_999])
def test_the_clock_and_a_handed_in_instant_compare_right_with_instants_that_django_wrote(fraction: int):
    whole, given = datetime.now(UTC).replace(microsecond=fraction), LONG_AGO.replace(microsecond=fraction)
    past, present = make_job(due_at=given - timedelta(microseconds=1)), make_job(due_at=given)
    make_job(due_at=given + timedelta(microseconds=1))
    recent = make_job(due_at=whole - timedelta(seconds=2))
    make_job(due_at=whole + timedelta(minutes=2))

    assert list(Job.objects.due(given).order_by("pk")) == [past, present]
    assert list(Job.objects.due().filter(due_at__gt=given + A_MILLISECOND)) == [recent]


@pytest.mark.parametrize(
    "wait", [timedelta(seconds=45), timedelta(milliseconds=250), timedelta(days=400), timedelta(-1)]
)
def test_after_is_that_much_later_on_either_clock_and_adds_up(wait: timedelta):
    job = make_job()

    later = clock.after(clock.after(clock.NOW, wait), timedelta(seconds=5))
    Job.objects.filter(pk=job.pk).update(due_at=clock.NOW, updated_at=later, start_at=clock.after(clock.NOW, wait))

    job.refresh_from_db()
    assert abs(job.start_at - job.due_at - wait) < timedelta(milliseconds=20)
    assert abs(job.updated_at - job.start_at - timedelta(seconds=5)) < timedelta(milliseconds=20)
    assert clock.after(LONG_AGO, wait) == LONG_AGO + wait


def test_the_clock_stands_in_expressions_and_is_written_as_sql_beside_the_orm():
    make_job(due_at=datetime.now(UTC))
    age = ExpressionWrapper(F("due_at"), output_field=DateTimeField())
    sql, params = clock.compiled(LONG_AGO, connection)

    assert Job.objects.annotate(age=age).filter(age__lte=clock.after(clock.NOW, timedelta(seconds=1))).exists()
    assert one_value(f"SELECT count(*) FROM jobs_job WHERE due_at > {sql}", *params) == 1


@pytest.mark.parametrize(
    ("now", "midnight"),
    [
        (datetime(2026, 3, 1, 12, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)),
        (datetime(2026, 3, 1, 0, 0, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)),
        (datetime(2026, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)),
        (datetime(2026, 12, 31, 23, 30, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        # 01:30 of the second in Berlin is 23:30 of the first in UTC.
        (datetime(2026, 7, 2, 1, 30, tzinfo=timezone(timedelta(hours=2))), datetime(2026, 7, 2, tzinfo=UTC)),
        (datetime(2026, 7, 1, 20, tzinfo=timezone(timedelta(hours=-5))), datetime(2026, 7, 3, tzinfo=UTC)),
    ],
)
def test_the_next_midnight_is_utc_whatever_the_time_zone(now: datetime, midnight: datetime):
    assert clock.next_midnight(now) == midnight


@postgresql_only
@pytest.mark.django_db(transaction=True)
def test_after_a_wait_for_a_lock_the_clock_tells_the_time_of_the_write():
    job = make_job()

    def write() -> None:
        Job.objects.filter(pk=job.pk).update(due_at=clock.NOW, updated_at=Now())

    with other_connection() as other:
        with transaction_of(other, f"UPDATE jobs_job SET crashes = 1 WHERE id = {job.pk}"):
            waiting = InThread(write)
            until(somebody_waits_for_a_lock, what="the write meets the lock")
            released_after = clock.read(connection)
        waiting.result()

    job.refresh_from_db()
    assert job.due_at > released_after > job.updated_at


@postgresql_only
def test_comparisons_use_the_stable_now_so_that_an_index_can_serve_them():
    assert "STATEMENT_TIMESTAMP()" in str(Job.objects.due().query)
    with transaction.atomic():
        assert "clock_timestamp" not in str(Job.objects.expired().query)


@postgresql_only
def test_instants_that_psycopg_reads_are_those_that_django_reads():
    job = make_job(
        created_at=datetime(1969, 12, 31, 23, 59, 59, 999999, UTC), start_at=datetime(9999, 1, 1, tzinfo=UTC)
    )
    ask = "SELECT created_at, start_at, updated_at FROM jobs_job"

    with connection.cursor() as cursor:
        clock.read_instants_in_c(cursor)
        cursor.execute(ask)
        found = cursor.fetchone()
    with connection.cursor() as cursor:
        cursor.execute(ask)
        again = cursor.fetchone()

    assert found == again == (job.created_at, job.start_at, None)
    assert again[0].tzinfo is UTC  # another cursor reads as before
