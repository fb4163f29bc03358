"""A transaction that only reads, and in which all statements see the database as it was at one instant."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from .connection import jobs_connection, supports_row_locks
from .proof import prove


@contextmanager
def read_snapshot() -> Iterator[BaseDatabaseWrapper]:
    """Open a transaction of one snapshot on the jobs' database, which writes nothing and keeps no writer waiting.

    Inside a transaction of the host it is that one, with its isolation. On SQLite the transaction is deferred: those of
    Django would take the lock of writers, where the host has chosen ``IMMEDIATE``.
    """
    connection = jobs_connection()
    prove(connection)
    if connection.in_atomic_block:
        yield connection
    elif supports_row_locks(connection):
        with transaction.atomic(using=connection.alias, durable=True):
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                # It takes a recursion for millions of rows, and would compile it for longer than it runs.
                cursor.execute("SET LOCAL jit = off")
            yield connection
    else:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN DEFERRED")
            try:
                yield connection
            finally:
                cursor.execute("ROLLBACK")
