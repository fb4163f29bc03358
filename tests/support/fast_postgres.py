"""Makes tests on PostgreSQL wait less for the disk; databases that tests create themselves stay as they are."""

from functools import partial
from typing import Any, Final

from django.db import connection

from tests.support.concurrency import one_value

SMALL_BYTES: Final = 1_000_000
LARGEST: Final = "SELECT max(pg_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relname = ANY(%s)"


def speed_up() -> None:
    """Let the test database commit without a wait for the disk, and empty its tables by DELETE where these are small.

    The server of a test run does not crash; tests of a crash start a server of their own.
    """
    with connection.cursor() as cursor:
        name = connection.ops.quote_name(str(connection.settings_dict["NAME"]))
        cursor.execute(f"ALTER DATABASE {name} SET synchronous_commit TO off")
        cursor.execute("SET synchronous_commit TO off")  # the database's default is for later sessions
    connection.ops.sql_flush = partial(_sql_flush, connection.ops.sql_flush)  # type: ignore[method-assign]  # this object only


def _sql_flush(truncate: Any, style: Any, tables: list[str], **options: Any) -> list[str]:
    """Return the SQL that empties tables. TRUNCATE writes new files for all of them, which takes 25 times as long."""
    if not tables or options.get("reset_sequences") or one_value(LARGEST, tables) > SMALL_BYTES:
        statements: list[str] = truncate(style, tables, **options)
        return statements
    # All foreign keys are checked at the end of the transaction.
    return ["; ".join(f"DELETE FROM {connection.ops.quote_name(table)}" for table in tables)]
