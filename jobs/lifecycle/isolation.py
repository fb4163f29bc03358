"""What an action may leave behind on its thread's connections: nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from ..db.connection import jobs_connection
from ..exceptions import ActionMisused


@contextmanager
def no_transaction_left_open() -> Iterator[None]:
    """Close those of this thread's connections on which a transaction was opened and not ended.

    What follows on them would be said to be committed, and would not be.

    Raises:
        ActionMisused: there was one, and no other error.
    """
    before = {alias: _transaction_state(connections[alias]) for alias in connections}
    dirty: list[str] = []
    try:
        yield
    finally:
        for alias, state in before.items():
            connection = connections[alias]
            # Set only within a test's transaction, by a write that was refused: where there is none it harms no other.
            connection.needs_rollback = False
            if _transaction_state(connection) != state:
                dirty.append(alias)
                # Else close() would keep it, as somebody's to roll back, and the next transaction would nest in it.
                connection.in_atomic_block, connection.atomic_blocks, connection.savepoint_ids = False, [], []
                connection.close()
    if dirty:
        raise ActionMisused(f"a transaction was left open on database {dirty[0]!r}; it was rolled back")


def driver_connection() -> object:
    """Return this thread's connection to the jobs' database, as the driver has it; opened if need be.

    Raises:
        Error: the database is away.
    """
    connection = jobs_connection()
    connection.ensure_connection()
    return connection.connection


def is_connection_lost(before: object) -> bool:
    """Whether that connection is dead, or has been replaced: Django opens a new one after a failed transaction."""
    connection = jobs_connection()
    return connection.connection is not before or not connection.is_usable()


def _transaction_state(connection: BaseDatabaseWrapper) -> tuple[int, bool, bool]:
    """Return what of a transaction is open: atomic blocks, autocommit, and what the driver says."""
    raw = connection.connection
    if raw is None:
        return (0, True, False)
    info = getattr(raw, "info", None)
    # Of libpq: 1 active, 2 in a transaction, 3 in a failed one.
    is_open = raw.in_transaction if info is None else info.transaction_status in (1, 2, 3)
    return (len(connection.atomic_blocks), connection.autocommit, bool(is_open))
