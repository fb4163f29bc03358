"""Protection from host code: what it left open or set on this thread's connections does not outlast its attempt."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from ..db.connection import answer_seconds, jobs_connection, text_of
from ..db.proof import is_file_replaced, prove_connections
from ..db.sql_words import statement_starts
from ..db.timeouts import answer_within
from ..db.wrappers import wrapped_statements
from ..exceptions import ActionMisused

# Statements whose effects on a session outlast their transaction; and DO and CALL, which may hide them.
CHANGES: Final = re.compile(
    r"SET\s+(?!LOCAL\b|TRANSACTION\b|CONSTRAINTS\b)|CREATE\s+(?:(?:GLOBAL|LOCAL|OR\s+REPLACE)\s+)*TEMP"
    r"|(?:RESET|DISCARD|LISTEN|PREPARE|DECLARE|LOAD|DO|CALL|PRAGMA|ATTACH|DETACH)\b",
    re.IGNORECASE,
)
# Inside any statement. Our own set_config() has literal placeholders and ``true``.
INSIDE: Final = ("set_config", "advisory_lock", "into temp")
INSIDE_CHANGES: Final = re.compile(r"set_config\s*\((?!%s, %s, true\))|pg_(?:try_)?advisory_lock|into temp")


def changes_session(sql: str) -> bool:
    """Whether a statement may change the session of its connection. Long statements are searched for literals only."""
    if any(CHANGES.match(sql, start) for start in statement_starts(sql)):
        return True
    text = sql.lower()
    return any(word in text for word in INSIDE) and INSIDE_CHANGES.search(text) is not None


@contextmanager
def no_session_state_left() -> Iterator[None]:
    """Close those of this thread's connections on which the block has changed the session, for example by SET.

    The outcome is then recorded on a new connection. It costs the other jobs nothing.
    """
    changed: set[str] = set()

    def note(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if changes_session(text_of(sql, context["connection"])):
            changed.add(context["connection"].alias)
        return execute(sql, params, many, context)

    try:
        with wrapped_statements(note):
            yield
    finally:
        for alias in changed:
            _end_session(connections[alias])


def _end_session(connection: BaseDatabaseWrapper) -> None:
    if connection.in_atomic_block:  # of a test, whose transaction takes the settings back
        return
    if getattr(connection, "pool", None) and connection.connection is not None:
        connection.connection.close()  # otherwise the pool would give this session to others
    connection.close()


@contextmanager
def no_transaction_left_open() -> Iterator[None]:
    """Close those of this thread's connections on which the block has left a transaction open.

    A later write on such a connection would seem committed, but would only join the open transaction.

    Raises:
        ActionMisused: there was one, and no other error.
    """
    before = {alias: _transaction_state(connections[alias]) for alias in connections}
    left_open: list[str] = []
    try:
        yield
    finally:
        for alias, state in before.items():
            connection = connections[alias]
            # In a test's transaction, a refused ``save()`` sets it, and every later query would raise.
            connection.needs_rollback = False
            if _transaction_state(connection) != state:
                left_open.append(alias)
                # Otherwise close() would wait for the block to end, and the next transaction would nest in it.
                connection.in_atomic_block, connection.atomic_blocks, connection.savepoint_ids = False, [], []
                connection.close()
    if left_open:
        raise ActionMisused(f"a transaction was left open on database {left_open[0]!r}; it was rolled back")


def driver_connection() -> object:
    """Return the driver's connection below this thread's connection to the jobs' database; open it if need be.

    All connections of the thread are proved: an action is about to start on them.

    Raises:
        Error: the database is away.
    """
    prove_connections()
    connection = jobs_connection()
    connection.ensure_connection()
    return connection.connection


def is_connection_lost(before: object) -> bool:
    """Whether the connection ``before`` is dead or replaced: Django opens a new one after a failed transaction."""
    connection = jobs_connection()
    with answer_within(answer_seconds(), connection):
        return connection.connection is not before or not connection.is_usable() or is_file_replaced(connection)


def _transaction_state(connection: BaseDatabaseWrapper) -> tuple[int, bool, bool]:
    """Return how many atomic blocks are open, whether autocommit is on, and whether the driver has a transaction."""
    raw = connection.connection
    if raw is None:
        return (0, True, False)
    info = getattr(raw, "info", None)
    # libpq's states: 1 active, 2 in a transaction, 3 in a failed transaction.
    is_open = raw.in_transaction if info is None else info.transaction_status in (1, 2, 3)
    return (len(connection.atomic_blocks), connection.autocommit, bool(is_open))
