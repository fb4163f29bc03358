"""The kind of each database error; all errors are provoked in a real database."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from jobs.db.errors import ErrorKind, kind_of
from jobs.models import Organization
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
from tests.support.factories import make_job, make_organization

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _fresh_connection() -> Iterator[None]:
    """Leave no setting, and no dead connection, to the next test."""
    connection.close()
    yield
    connection.close()


def provoked(act: Callable[[], Any]) -> DatabaseError | InterfaceError:
    """Return the database error that ``act`` raises."""
    with pytest.raises((DatabaseError, InterfaceError)) as caught:
        act()
    return caught.value


def kind_when(act: Callable[[], Any]) -> ErrorKind:
    """Return the kind of the error that ``act`` raises."""
    return kind_of(provoked(act))


def state_and_kind_when(act: Callable[[], Any]) -> tuple[str | None, ErrorKind]:
    """Return the SQLSTATE and the kind of the error that ``act`` raises."""
    error = provoked(act)
    return getattr(error.__cause__, "sqlstate", None), kind_of(error)


@postgresql_only
def test_a_row_that_changed_since_the_snapshot_is_a_conflict():
    job = make_job()

    def act() -> None:
        with transaction.atomic(), other_connection() as other:
            execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT count(*) FROM jobs_job")
            with transaction_of(other, f"UPDATE jobs_job SET crashes = 1 WHERE id = {job.pk}"):
                pass
            execute(f"UPDATE jobs_job SET crashes = 2 WHERE id = {job.pk}")

    assert state_and_kind_when(act) == ("40001", ErrorKind.CONFLICT)


@postgresql_only
def test_a_deadlock_is_a_conflict():
    first, second = make_job(), make_job()

    def lock_both_from_the_far_end() -> None:
        with transaction.atomic():
            # It waits first and does not look for a deadlock; who waits last finds it and is the victim.
            execute("SET LOCAL deadlock_timeout = '60s'", f"UPDATE jobs_job SET crashes = 1 WHERE id = {second.pk}")
            execute(f"UPDATE jobs_job SET crashes = 1 WHERE id = {first.pk}")

    def act() -> None:
        with transaction.atomic():
            execute("SET LOCAL deadlock_timeout = '10ms'", f"UPDATE jobs_job SET crashes = 2 WHERE id = {first.pk}")
            others.append(InThread(lock_both_from_the_far_end))
            until(somebody_waits_for_a_lock, what="the other transaction meets our lock")
            execute(f"UPDATE jobs_job SET crashes = 2 WHERE id = {second.pk}")

    others: list[InThread[None]] = []
    assert state_and_kind_when(act) == ("40P01", ErrorKind.CONFLICT)
    others[0].result()


@postgresql_only
def test_a_lock_that_is_not_free_in_time_is_a_conflict():
    job = make_job()

    with other_connection() as other, transaction_of(other, f"SELECT 1 FROM jobs_job WHERE id = {job.pk} FOR UPDATE"):
        execute("SET lock_timeout = '20ms'")
        update = f"UPDATE jobs_job SET crashes = 1 WHERE id = {job.pk}"
        assert state_and_kind_when(lambda: execute(update)) == ("55P03", ErrorKind.CONFLICT)


@postgresql_only
@pytest.mark.parametrize(
    ("setting", "act", "state", "kind"),
    [
        ("statement_timeout = '20ms'", lambda: execute("SELECT pg_sleep(20)"), "57014", ErrorKind.TOO_SLOW),
        ("default_transaction_read_only = on", make_organization, "25006", ErrorKind.OUTAGE),
    ],
    ids=["too slow", "read-only"],
)
def test_a_limit_of_the_server_is_too_slow_or_an_outage(
    setting: str, act: Callable[[], Any], state: str, kind: ErrorKind
):
    execute(f"SET {setting}")

    assert state_and_kind_when(act) == (state, kind)


@postgresql_only
def test_a_transaction_that_idled_too_long_has_lost_its_connection():
    def act() -> None:
        with transaction.atomic(), other_connection() as other:
            execute("SET LOCAL idle_in_transaction_session_timeout = '100ms'")
            backend = one_value("SELECT pg_backend_pid()")
            until(lambda: not is_alive(backend, other), what="the server ends the idle transaction")
            execute("SELECT 1")

    assert state_and_kind_when(act) == ("25P03", ErrorKind.OUTAGE)


@postgresql_only
def test_a_connection_that_the_server_ended_is_an_outage_and_so_is_every_use_after_it():
    backend = one_value("SELECT pg_backend_pid()")
    with other_connection() as other:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [backend])
        until(lambda: not is_alive(backend, other), what="the server ends the session")

    assert state_and_kind_when(lambda: execute("SELECT 1")) == ("57P01", ErrorKind.OUTAGE)
    assert state_and_kind_when(lambda: execute("SELECT 1")) == (None, ErrorKind.OUTAGE)


def test_a_server_that_does_not_answer_or_a_file_that_cannot_be_opened_is_an_outage(tmp_path: Path):
    server, file = {"HOST": "127.0.0.1", "PORT": "1"}, {"NAME": str(tmp_path / "gone" / "db.sqlite3")}

    with other_connection() as other:
        other.settings_dict.update(server if connection.vendor == "postgresql" else file)

        assert kind_when(other.ensure_connection) is ErrorKind.OUTAGE


def is_alive(backend: int, other: BaseDatabaseWrapper) -> bool:
    with other.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", [backend])
        return bool(cursor.fetchone()[0])


def test_a_connection_that_we_closed_is_an_outage():
    def act() -> None:
        with connection.cursor() as cursor:
            connection.close()
            cursor.execute("SELECT 1")

    # SQLite's driver gives no code for it.
    kinds = (ErrorKind.OUTAGE,) if connection.vendor == "postgresql" else (ErrorKind.OUTAGE, ErrorKind.OTHER)
    assert kind_when(act) in kinds


@pytest.mark.parametrize(
    "act",
    [
        lambda: [make_organization(name="Twice") for _ in range(2)],
        lambda: execute("SELECT nonsense FROM nowhere"),
        lambda: execute("INSERT INTO jobs_organization (name) VALUES ('No time')"),
        lambda: Organization.objects.filter(pk=1).update(name=None),
    ],
    ids=["unique", "syntax", "not null", "null"],
)
def test_a_mistake_is_nothing_that_trying_again_could_cure(act: Callable[[], Any]):
    make_organization(pk=1)

    assert kind_when(act) is ErrorKind.OTHER


@sqlite_only
def test_a_sqlite_that_others_write_to_is_a_conflict():
    execute("PRAGMA busy_timeout = 20")

    with other_connection() as other, transaction_of(other):
        assert kind_when(make_organization) is ErrorKind.CONFLICT


@sqlite_only
def test_a_sqlite_transaction_that_read_before_others_wrote_is_a_conflict():
    def act() -> None:
        with other_connection() as other:
            execute("BEGIN DEFERRED", "SELECT count(*) FROM jobs_job")
            with transaction_of(other, "DELETE FROM jobs_worker", "PRAGMA user_version = 1"):
                pass
            try:
                execute("DELETE FROM jobs_worker")
            finally:
                execute("ROLLBACK")

    assert kind_when(act) is ErrorKind.CONFLICT


@sqlite_only
@pytest.mark.parametrize("limit", ["max_page_count = 1", "query_only = ON"], ids=["full disk", "read-only"])
def test_a_sqlite_that_takes_no_writes_is_an_outage(limit: str):
    # More than fits into pages that other tests have left free.
    size = 1_000_000 + one_value("PRAGMA freelist_count") * one_value("PRAGMA page_size")
    execute(f"PRAGMA {limit}")  # as few pages as there are already

    assert kind_when(lambda: make_job(description="x" * size)) is ErrorKind.OUTAGE


def test_an_error_is_known_without_django_s_wrapping_and_one_of_no_database_is_other():
    wrapped = provoked(lambda: execute("SELECT nonsense FROM nowhere"))

    assert wrapped.__cause__ is not None
    assert kind_of(wrapped.__cause__) is kind_of(wrapped)
    assert kind_of(ValueError("nothing")) is kind_of(TimeoutError()) is ErrorKind.OTHER
