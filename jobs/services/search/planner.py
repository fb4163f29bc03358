"""Makes PostgreSQL scan the index that a query was written for, whatever its statistics say about the table.

For ``ORDER BY id LIMIT 50`` the planner assumes that matching rows are spread evenly over the ids, and
scans the primary key. If they are clustered, it reads millions of rows.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, CharField, F, Field, Func, TextField, Value
from django.db.models.sql.compiler import SQLCompiler

from ...db.connection import jobs_connection, set_local, shorter, supports_row_locks
from ...models import Job
from .limits import typed_timeouts

# PostgreSQL uses a plan that is switched off only where there is no other. Statistics of single columns do not say that
# jobs with the same status lie together, so it would read and sort the whole table rather than scan an index.
OFF: Final = (
    *("enable_seqscan", "enable_bitmapscan", "enable_sort", "enable_incremental_sort"),
    # The few rows that a search names must be found by their index, not by reading all rows.
    *("enable_hashjoin", "enable_mergejoin"),
    # A plan that is switched off has a huge cost, for which PostgreSQL would compile a query of milliseconds.
    "jit",
)
SETTINGS: Final = {**dict.fromkeys(OFF, "off"), "max_parallel_workers_per_gather": "0"}
# What is written for an index and a window takes a small part of it.
STATEMENT_MS: Final = 5_000
TIMEOUT: Final = "statement_timeout"


class IndexEquals(Func):
    """``column = value``, written so that only an index that begins with the column gives the order.

    With ``=`` the planner treats the column as constant and may scan any index ordered by id. With
    ``>=`` and ``<=`` older versions cannot bound the scan by an id as well. So text is compared by
    ``LIKE`` and other types by ``= ANY(ARRAY[…])``; an index evaluates both as equality.
    """

    output_field = BooleanField()

    def __init__(self, column: str, value: Any) -> None:
        field = cast("Field[Any, Any]", Job._meta.get_field(column))
        super().__init__(F(column), Value(value, output_field=field))
        self.value = value
        # For a project this is the type of the primary key of the host's model.
        self.is_text = isinstance(getattr(field, "target_field", field), CharField | TextField)

    def as_sql(  # type: ignore[override]  # has no template
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any
    ) -> tuple[str, list[Any]]:
        """Return a plain comparison, for databases whose planner needs no such form."""
        column, value, values = self._parts(compiler)
        return f"({column} >= {value} AND {column} <= {value})", [*values, *values]

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any) -> tuple[str, list[Any]]:
        """Return a comparison with a pattern or with an array."""
        column, value, values = self._parts(compiler)
        if self.is_text:
            return f"{column} LIKE {value}", [re.sub(r"([\\%_])", r"\\\1", self.value)]
        return f"{column} = ANY(ARRAY[{value}])", values

    def _parts(self, compiler: SQLCompiler) -> tuple[str, str, list[Any]]:
        (column, _), (value, values) = [compiler.compile(part) for part in self.get_source_expressions()]
        return column, value, list(values)


@contextmanager
def index_scans_only() -> Iterator[None]:
    """Make the statements of the block scan indexes in their order, which SQLite does by itself, within 5 s each.

    Raises:
        TooSlow: on PostgreSQL, one took longer.
    """
    connection = jobs_connection()
    if not supports_row_locks(connection):
        yield
        return
    outermost = not connection.in_atomic_block
    names = [*SETTINGS, TIMEOUT]
    with (
        typed_timeouts("narrow the filters"),
        transaction.atomic(using=connection.alias),
        connection.cursor() as cursor,
    ):
        cursor.execute(f"SELECT {', '.join(['current_setting(%s)'] * len(names))}", names)
        before = dict(zip(names, cursor.fetchone(), strict=True))
        set_local(connection, {**SETTINGS, TIMEOUT: shorter(STATEMENT_MS, before[TIMEOUT])})
        yield
        if not outermost:  # else the settings end with the transaction
            set_local(connection, before)
