"""The time that one statement of a search may take, so that no caller can keep the database to itself."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.db import Error as DjangoDatabaseError

from ...db.connection import jobs_connection, service_transaction, supports_row_locks
from ...db.errors import ErrorKind, kind_of
from ...exceptions import TooSlow

# Of ten million jobs, any first page takes a quarter of it.
LIST_SECONDS: Final = 1.0
# SQLite reads the clock again after so many of its instructions: a fraction of a millisecond.
INSTRUCTIONS: Final = 10_000


@contextmanager
def limited_search(cure: str) -> Iterator[None]:
    """Let each statement of the block take ``LIST_SECONDS`` at most.

    On PostgreSQL the limit is the transaction's, never the session's, which poolers share.

    Raises:
        TooSlow: one took longer; its text ends with ``cure``.
    """
    connection = jobs_connection()
    # No transaction on SQLite, where hosts may have made each take the one lock of writers.
    is_limited = service_transaction if supports_row_locks(connection) else stopped_by_sqlite
    with typed_timeouts(cure), is_limited(statement_seconds=LIST_SECONDS):
        yield


@contextmanager
def typed_timeouts(cure: str) -> Iterator[None]:
    """Turn the error of a statement that ran into its timeout into TooSlow."""
    try:
        yield
    except DjangoDatabaseError as error:
        if kind_of(error) is ErrorKind.TOO_SLOW:
            raise TooSlow(cure) from error
        raise


@contextmanager
def stopped_by_sqlite(*, statement_seconds: float) -> Iterator[None]:
    """Let the statements of the block take so long in all, at most; for SQLite."""
    connection = jobs_connection()
    connection.ensure_connection()
    raw, ends_at = connection.connection, time.monotonic() + statement_seconds
    raw.set_progress_handler(lambda: time.monotonic() > ends_at, INSTRUCTIONS)
    try:
        yield
    finally:
        raw.set_progress_handler(None, 0)
