"""The connection to the jobs' database, and the kinds of transactions on it.

On PostgreSQL they are READ COMMITTED whatever the host's default, and their waits are
bounded. On SQLite, whose write lock has no queue, a process runs one chunk at a time
and pauses after each.
"""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakKeyDictionary

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from .. import conf
from .proof import jobs_alias, prove
from .timeouts import answer_within, limited_answer, limited_statements

LIMITS_MS: Final = {
    # A frozen worker must not keep its row locked: the server ends its transaction.
    "idle_in_transaction_session_timeout": 10_000,
    "statement_timeout": 30_000,
    "lock_timeout": 2_000,
}
# Of a search: to compile it takes longer than to run it, and a prepared plan for any value may scan the wrong index.
PLANNED_ANEW: Final = {"jit": "off", "plan_cache_mode": "force_custom_plan"}
# How much longer the process waits for an answer than the server works on a statement.
SLACK_SECONDS: Final = 2.0
# With two seconds to connect anew it is less than 10.
REQUEST_SECONDS: Final = 7.5
READ_COMMITTED: Final = "read committed"

# Between two tries, a writer that waits for SQLite's lock sleeps at most 25 ms in the first 0.1 s, and 100 ms after
# that. A pause after each chunk, longer than that sleep, lets it find the lock free.
SLOW_CHUNK_SECONDS: Final = 0.1
PAUSE_SECONDS: Final = 0.03
PAUSE_AFTER_SLOW_SECONDS: Final = 0.11

_one_writer: Final = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class _Session:
    """The host's settings of one connection, read once in a transaction, as each costs a round trip.

    Transactions may have another level (Django's ``isolation_level``) than single
    statements, which have the server's default.
    """

    isolation: str
    statement_isolation: str
    limits_ms: dict[str, int]


_sessions: WeakKeyDictionary[Any, _Session] = WeakKeyDictionary()


def jobs_connection() -> BaseDatabaseWrapper:
    """Return this thread's connection to the database of the table of jobs."""
    return connections[jobs_alias()]


def supports_row_locks(connection: BaseDatabaseWrapper) -> bool:
    """Whether rows are locked one by one (PostgreSQL), or the whole database at once (SQLite)."""
    return connection.features.has_select_for_update


def supports_notify(connection: BaseDatabaseWrapper) -> bool:
    """Whether the database can wake a listener (LISTEN and NOTIFY of PostgreSQL through psycopg 3)."""
    return connection.features.has_select_for_update_skip_locked and driver(connection).__name__.startswith("psycopg")


def outermost_transaction() -> AbstractContextManager[BaseDatabaseWrapper]:
    """Open an outermost READ COMMITTED transaction on the jobs' database.

    Raises:
        RuntimeError: inside ``atomic()``, where the block would only release a savepoint.
    """
    return _outermost({})


def limited_transaction(
    *, lock_timeout_ms: int = LIMITS_MS["lock_timeout"]
) -> AbstractContextManager[BaseDatabaseWrapper]:
    """Open an outermost transaction whose statements, idle pauses and lock waits have limits shorter than a lease."""
    return _outermost({**_limits_within_a_lease(), "lock_timeout": lock_timeout_ms})


@contextmanager
def _outermost(limits: dict[str, int]) -> Iterator[BaseDatabaseWrapper]:
    connection = jobs_connection()
    prove(connection)
    with ExitStack() as stack:
        if limits:
            stack.enter_context(limited_statements(answer_seconds(), connection))
        with transaction.atomic(using=connection.alias, durable=True):
            try:
                if supports_row_locks(connection):
                    _prepare(connection, limits, {})
                yield connection
            finally:
                stack.enter_context(limited_answer(connection))  # for COMMIT or ROLLBACK


@contextmanager
def single_statement() -> Iterator[BaseDatabaseWrapper]:
    """Let the block's only statement commit by itself: without BEGIN it costs one round trip on PostgreSQL.

    Raises:
        RuntimeError: inside ``atomic()``, where the statement would not be committed.
    """
    connection = jobs_connection()
    prove(connection)
    if supports_row_locks(connection) and not connection.in_atomic_block and _is_read_committed(connection):
        yield connection
    else:
        with outermost_transaction():
            yield connection


@contextmanager
def service_transaction(
    *, wait_seconds: float | None = None, statement_seconds: float | None = None
) -> Iterator[BaseDatabaseWrapper]:
    """Open a transaction, also inside one of the host; no wait for a lock is longer than ``wait_seconds``.

    On PostgreSQL no statement takes longer than ``statement_seconds``, and each is planned anew and not compiled.
    """
    connection = jobs_connection()
    prove(connection)
    outermost = not connection.in_atomic_block
    asked = {"lock_timeout": wait_seconds, "statement_timeout": statement_seconds}
    limits = {name: round(seconds * 1000) for name, seconds in asked.items() if seconds is not None}
    plans = {} if statement_seconds is None else PLANNED_ANEW
    idle = "idle_in_transaction_session_timeout"
    with sqlite_wait(connection, wait_seconds if outermost else None), transaction.atomic(using=connection.alias):
        if not supports_row_locks(connection):
            yield connection
        elif outermost:
            # A frozen caller must not keep its rows locked, either.
            _prepare(connection, {**limits, idle: LIMITS_MS[idle]}, plans)
            yield connection
        else:
            before = {name: _show(connection, name) for name in [*limits, *plans]}
            shortened = {name: _shorter(limit, _milliseconds(before[name])) for name, limit in limits.items()}
            set_local(connection, {**shortened, **plans})
            yield connection
            set_local(connection, before)


def set_local(connection: BaseDatabaseWrapper, settings: dict[str, str]) -> None:
    """Set parameters of PostgreSQL, by their names, until the transaction ends."""
    if not settings:
        return
    calls = ", ".join(["set_config(%s, %s, true)"] * len(settings))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {calls}", [word for pair in settings.items() for word in pair])


@contextmanager
def chunk_turn() -> Iterator[None]:
    """On SQLite, run one chunk of this process at a time, and pause after it; elsewhere do nothing."""
    if supports_row_locks(jobs_connection()):
        yield
        return
    with _one_writer:
        begun = time.monotonic()
        try:
            yield
        finally:
            slow = time.monotonic() - begun > SLOW_CHUNK_SECONDS
            time.sleep(PAUSE_AFTER_SLOW_SECONDS if slow else PAUSE_SECONDS)


def reconnect() -> None:
    """Drop this thread's connection to the jobs' database; the next statement opens a new one."""
    jobs_connection().close()


def leave_pool() -> None:
    """Let this thread open connections of its own from now on, beside Django's pool (``OPTIONS["pool"]``).

    A pool serves requests, which take turns; each thread of a process keeps its connection as long as it lives.
    """
    for connection in connections.all():
        options = connection.settings_dict.get("OPTIONS", {})
        if options.get("pool"):
            connection.close()  # gives it back
            # Threads share the settings, so this thread gets a copy.
            own = {name: value for name, value in options.items() if name != "pool"}
            connection.settings_dict = {**connection.settings_dict, "OPTIONS": own}


def text_of(sql: Any, connection: BaseDatabaseWrapper) -> str:
    """Return the text of a statement, which psycopg takes as an object too."""
    if isinstance(sql, bytes):
        return sql.decode(errors="replace")
    return sql.as_string(connection.connection) if hasattr(sql, "as_string") else str(sql)


def driver(connection: BaseDatabaseWrapper) -> Any:
    """The DB-API module below Django."""
    return connection.Database  # type: ignore[attr-defined]  # every backend has it


def request_limit() -> AbstractContextManager[None]:
    """Let a request wait for answers for 7.5 s in all, or longer where a cancel may wait longer for a chunk."""
    seconds = max(REQUEST_SECONDS, conf.current().cancel_wait_seconds + SLACK_SECONDS)
    return answer_within(seconds, jobs_connection())


def answer_seconds() -> float:
    """Return how long a process waits for the answer to one statement of our own."""
    return _limits_within_a_lease()["statement_timeout"] / 1000 + SLACK_SECONDS


def _limits_within_a_lease() -> dict[str, int]:
    """Return the limits, none of them longer than two thirds of a lease."""
    ceiling = round(conf.current().lease_seconds * 1000 * 2 / 3)
    return {name: min(limit, ceiling) for name, limit in LIMITS_MS.items()}


def _is_read_committed(connection: BaseDatabaseWrapper) -> bool:
    """Whether single statements are READ COMMITTED; False until a transaction has read the session's settings."""
    session = _sessions.get(connection.connection) if connection.connection is not None else None
    return session is not None and session.statement_isolation == READ_COMMITTED


def _session_of(connection: BaseDatabaseWrapper) -> _Session:
    session = _sessions.get(connection.connection)
    if session is None:
        session = _sessions[connection.connection] = _read_session(connection)
    return session


def _prepare(connection: BaseDatabaseWrapper, limits: dict[str, int], plans: dict[str, str]) -> None:
    session = _session_of(connection)
    if session.isolation != READ_COMMITTED and not _in_test_case(connection):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
    set_local(connection, plans | {name: _shorter(limit, session.limits_ms[name]) for name, limit in limits.items()})


def _shorter(limit: int, host_limit: int) -> str:
    """Return the shorter of two limits in milliseconds; the host's 0 means no limit."""
    return str(min(limit, host_limit or limit))


def shorter(limit_ms: int, shown: str) -> str:
    """Return the shorter of a limit and one of the host's as SHOW prints it."""
    return _shorter(limit_ms, _milliseconds(shown))


def _read_session(connection: BaseDatabaseWrapper) -> _Session:
    # SHOW takes no snapshot, so the isolation level can still be set after it.
    return _Session(
        isolation=_show(connection, "transaction_isolation"),
        statement_isolation=_show(connection, "default_transaction_isolation"),
        limits_ms={name: _milliseconds(_show(connection, name)) for name in LIMITS_MS},
    )


def _show(connection: BaseDatabaseWrapper, name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW {name}")
        return str(cursor.fetchone()[0])


def _milliseconds(setting: str) -> int:
    """Return the milliseconds of a time as SHOW prints it: ``0``, ``250ms``, ``2s``, ``5min``, ``1h``, ``1d``."""
    number = setting.rstrip("minshd")
    unit = setting[len(number) :] or "ms"
    return int(number) * {"ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}[unit]


@contextmanager
def sqlite_wait(connection: BaseDatabaseWrapper, seconds: float | None) -> Iterator[None]:
    """Let SQLite's busy handler give up after ``seconds``, not after the host's ``timeout``."""
    if seconds is None or supports_row_locks(connection):
        yield
        return
    connection.ensure_connection()
    raw = connection.connection
    (before,) = raw.execute("PRAGMA busy_timeout").fetchone()
    raw.execute(f"PRAGMA busy_timeout = {min(before, round(seconds * 1000))}")
    try:
        yield
    finally:
        with suppress(sqlite3.ProgrammingError):  # the block has closed it
            raw.execute(f"PRAGMA busy_timeout = {before}")


def _in_test_case(connection: BaseDatabaseWrapper) -> bool:
    """Whether a ``TestCase`` has opened the transaction; its level can no longer be set."""
    return any(getattr(block, "_from_testcase", False) for block in connection.atomic_blocks)
