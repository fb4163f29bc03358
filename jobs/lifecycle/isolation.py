"""Protection from host code: roll back transactions that it left open on this thread's connections."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from ..db.connection import jobs_connection
from ..exceptions import ActionMisused


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

    Raises:
        Error: the database is away.
    """
    connection = jobs_connection()
    connection.ensure_connection()
    return connection.connection


def is_connection_lost(before: object) -> bool:
    """Whether the connection ``before`` is dead or replaced: Django opens a new one after a failed transaction."""
    connection = jobs_connection()
    return connection.connection is not before or not connection.is_usable()


def _transaction_state(connection: BaseDatabaseWrapper) -> tuple[int, bool, bool]:
    """Return how many atomic blocks are open, whether autocommit is on, and whether the driver has a transaction."""
    raw = connection.connection
    if raw is None:
        return (0, True, False)
    info = getattr(raw, "info", None)
    # libpq's states: 1 active, 2 in a transaction, 3 in a failed transaction.
    is_open = raw.in_transaction if info is None else info.transaction_status in (1, 2, 3)
    return (len(connection.atomic_blocks), connection.autocommit, bool(is_open))
