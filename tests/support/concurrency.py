"""Concurrent access to the test database: a second connection, a thread, locks, captured SQL."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, Generic, TypeVar

import pytest
from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test.utils import CaptureQueriesContext

Answer = TypeVar("Answer")

PATIENCE_SECONDS: Final = 20

postgresql_only: Final = pytest.mark.skipif(
    connection.vendor != "postgresql",
    reason="SQLite has no locks of single rows, no levels of isolation, no SQLSTATE, no EXPLAIN (ANALYZE, BUFFERS)",
)
sqlite_only: Final = pytest.mark.skipif(
    connection.vendor != "sqlite", reason="PostgreSQL has no lock of the whole database"
)


class TimedOut(AssertionError):
    """A condition did not become true in time."""


def until(condition: Callable[[], Answer], *, what: str, seconds: float = PATIENCE_SECONDS) -> Answer:
    """Wait until ``condition`` returns something true, and return that.

    Raises:
        TimedOut: it did not in ``seconds``; the text names ``what`` was waited for.
    """
    end = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > end:
            raise TimedOut(f"waited {seconds:g} s in vain: {what}")
        time.sleep(0.01)
    return answer


@contextmanager
def other_connection() -> Iterator[BaseDatabaseWrapper]:
    """Open a second connection to the test database; what it left open is rolled back at the end."""
    other = connection.copy(alias="other")
    try:
        yield other
    finally:
        other.close()


@contextmanager
def transaction_of(other: BaseDatabaseWrapper, *statements: str) -> Iterator[None]:
    """Hold a transaction open that has run ``statements``; commit it at the end."""
    with other.cursor() as cursor:
        cursor.execute("BEGIN" if other.vendor == "postgresql" else "BEGIN IMMEDIATE")
        for statement in statements:
            cursor.execute(statement)
        yield
        cursor.execute("COMMIT")


@contextmanager
def somebody_holds(*jobs: Any) -> Iterator[None]:
    """Lock the jobs' rows (SQLite: the database) from another connection; nothing of them is changed."""
    lock = f"UPDATE jobs_job SET crashes = crashes WHERE id IN ({', '.join(str(job.pk) for job in jobs)})"
    with other_connection() as other, transaction_of(other, lock):
        yield


class InThread(Generic[Answer]):
    """Run ``work`` in a thread with a connection of its own; ``result()`` returns or raises what it did."""

    def __init__(self, work: Callable[[], Answer]) -> None:
        self._work = work
        self._answer: Answer | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._answer = self._work()
        except BaseException as error:  # noqa: BLE001 – raised again by result()
            self._error = error
        finally:
            connections.close_all()

    def result(self, *, patience: float = PATIENCE_SECONDS) -> Answer:
        """Wait for the end of the work, for ``patience`` seconds at most."""
        self._thread.join(patience)
        assert not self._thread.is_alive(), "the thread did not end"
        if self._error is not None:
            raise self._error
        return self._answer  # type: ignore[return-value]


def at_once(*works: Callable[[], Any], catch: tuple[type[Exception], ...] = ()) -> list[Any]:
    """Run the works at the same time, each on its own connection; return each one's answer, or error of ``catch``."""
    start = threading.Barrier(len(works), timeout=PATIENCE_SECONDS)

    def run(work: Callable[[], Any]) -> Any:
        start.wait()
        try:
            return work()
        except catch as error:
            return error

    threads = [InThread(partial(run, work)) for work in works]
    return [thread.result(patience=60) for thread in threads]


def blocked(work: Callable[[], Answer]) -> InThread[Answer]:
    """Start ``work`` on a connection of its own, and return once it waits for a lock (PostgreSQL)."""
    thread = InThread(work)
    until(somebody_waits_for_a_lock, what="the work meets a lock")
    return thread


def somebody_waits_for_a_lock() -> bool:
    """Whether any connection to the test database (PostgreSQL) waits for a lock, in a transaction of ours too."""
    one_value("SELECT pg_stat_clear_snapshot()")
    sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return one_value(sql) > 0


@contextmanager
def statements(*, without: tuple[str, ...] = ()) -> Iterator[list[str]]:
    """Collect what this thread's connection executes, but for statements that start with one of ``without``."""
    found: list[str] = []
    with CaptureQueriesContext(connection) as captured:
        yield found
    found += [query["sql"] for query in captured.captured_queries if not query["sql"].startswith(without)]


def lost_connection(kind: type[DatabaseError] | type[InterfaceError] = OperationalError) -> Exception:
    """Return what Django raises when the connection to the database is gone."""
    error = kind("the connection is closed")
    error.__cause__ = connection.Database.OperationalError("the connection is closed")
    if connection.vendor == "sqlite":
        error.__cause__.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN  # type: ignore[attr-defined]
    return error


def unique_violation() -> IntegrityError:
    """Return what Django raises where another row is in the way of a unique constraint."""
    cause: Any = Exception("unique")
    cause.sqlstate, cause.sqlite_errorcode = "23505", sqlite3.SQLITE_CONSTRAINT_UNIQUE
    error = IntegrityError("unique")
    error.__cause__ = cause
    return error


def execute(*statements: str) -> None:
    """Execute SQL on this thread's connection."""
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def one_value(sql: str, *params: Any) -> Any:
    """Return the single value that ``sql`` answers."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchone()[0]
