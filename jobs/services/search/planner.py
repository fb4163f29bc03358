"""Let a search walk the index that it was written for, whatever the planner takes the table to be."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, CharField, F, Field, Func, TextField, Value
from django.db.models.sql.compiler import SQLCompiler

from ...db.connection import home, supports_row_locks
from ...models import Job

# With these off PostgreSQL takes such a plan only where there is no other. Statistics of single columns do not say
# that jobs with a status lie side by side, so it would read and sort the whole table rather than walk an index of it.
OFF: Final = (
    *("enable_seqscan", "enable_bitmapscan", "enable_sort", "enable_incremental_sort"),
    # The few rows that a search names are to be looked up, not met while all others are read.
    *("enable_hashjoin", "enable_mergejoin"),
    # What is switched off has an enormous cost to the planner, for which it would compile a walk of milliseconds.
    "jit",
)
SETTINGS: Final = {**dict.fromkeys(OFF, "off"), "max_parallel_workers_per_gather": "0"}


class Pinned(Func):
    """``column = value``, which is not to end the planner's interest in the column.

    From ``=`` it concludes that the column is constant, strikes it out of the order and may
    walk any index by id. Of ``>=`` and ``<=`` only the newest PostgreSQL begins and ends at
    the right place when an id is asked for as well. So a text is asked for by a pattern that
    nothing else matches, and anything else by an array of one; in an index both are ``=``.
    """

    output_field = BooleanField()

    def __init__(self, column: str, value: Any) -> None:
        field = cast("Field[Any, Any]", Job._meta.get_field(column))
        super().__init__(F(column), Value(value, output_field=field))
        self.value = value
        # Of a project it is the type of the host's key.
        self.is_text = isinstance(getattr(field, "target_field", field), CharField | TextField)

    def as_sql(  # type: ignore[override]  # has no template
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any
    ) -> tuple[str, list[Any]]:
        """Ask plainly, where no planner has to be outwitted."""
        column, value, values = self._parts(compiler)
        return f"({column} >= {value} AND {column} <= {value})", [*values, *values]

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any) -> tuple[str, list[Any]]:
        """Ask by a pattern, or by an array."""
        column, value, values = self._parts(compiler)
        if self.is_text:
            return f"{column} LIKE {value}", [re.sub(r"([\\%_])", r"\\\1", self.value)]
        return f"{column} = ANY(ARRAY[{value}])", values

    def _parts(self, compiler: SQLCompiler) -> tuple[str, str, list[Any]]:
        (column, _), (value, values) = [compiler.compile(part) for part in self.get_source_expressions()]
        return column, value, list(values)


@contextmanager
def index_walks() -> Iterator[None]:
    """Have the statements of the block walk indexes in their order; without row locks (SQLite) they do anyhow."""
    connection = home()
    if not supports_row_locks(connection):
        yield
        return
    outermost = not connection.in_atomic_block
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(['current_setting(%s)'] * len(SETTINGS))}", list(SETTINGS))
        before = cursor.fetchone()
        _set(SETTINGS)
        yield
        if not outermost:  # else the settings end with the transaction
            _set(dict(zip(SETTINGS, before, strict=True)))


def _set(settings: dict[str, str]) -> None:
    calls = ", ".join(["set_config(%s, %s, true)"] * len(settings))
    with home().cursor() as cursor:
        cursor.execute(f"SELECT {calls}", [word for pair in settings.items() for word in pair])
