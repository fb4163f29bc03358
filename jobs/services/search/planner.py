"""Writes a query so that PostgreSQL scans the index it was written for, whatever its statistics say about the table.

For ``ORDER BY id LIMIT 50`` the planner assumes that matching rows are spread evenly over the ids, and
scans the primary key. If they are clustered, it reads millions of rows. So a query here has

* an order that only its index has: all the columns of the index, of which the first are :func:`pinned`.
  Few rows that no index has in order are sorted by an expression that none begins with, such as ``id + 0``;
* bounds in that order (:func:`beyond`), so that a scan begins and ends where it should.

The API's list, which has many shapes and is asked for often, is written as text; staff's searches are querysets,
which take the same text by :class:`Holds`, and switch off what else the planner may try (:func:`index_scans_only`).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from itertools import chain
from typing import Any, Final, NamedTuple

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, CharField, F, Func, TextField
from django.db.models.sql.compiler import SQLCompiler

from ...db.connection import PLANNED_ANEW, jobs_connection, set_local, shorter, supports_row_locks
from ...models import Job
from .limits import typed_timeouts

JOBS: Final = Job._meta.db_table
# PostgreSQL uses a plan that is switched off only where there is no other. Statistics of single columns do not say that
# jobs with the same status lie together, so it would read and sort the whole table rather than scan an index.
OFF: Final = (
    *("enable_seqscan", "enable_bitmapscan", "enable_sort", "enable_incremental_sort"),
    # The few rows that a search names must be found by their index, not by reading all rows.
    *("enable_hashjoin", "enable_mergejoin"),
)
# A plan that is switched off has a huge cost, for which PostgreSQL would compile a query of milliseconds.
SETTINGS: Final = {**dict.fromkeys(OFF, "off"), **PLANNED_ANEW, "max_parallel_workers_per_gather": "0"}
# What is written for an index and a window takes a small part of it.
STATEMENT_MS: Final = 5_000
TIMEOUT: Final = "statement_timeout"


class Sql(NamedTuple):
    """A piece of SQL, and the values for each ``%s`` in it."""

    text: str
    values: tuple[Any, ...] = ()


class Limits(NamedTuple):
    """LIMIT and OFFSET of a query."""

    limit: int
    offset: int = 0

    @property
    def end(self) -> int:
        """How many rows are read, with those skipped."""
        return self.limit + self.offset


def pinned(column: str, value: Any, connection: BaseDatabaseWrapper, *, of: str = "") -> Sql:
    """Return ``column = value``, written so that the planner does not take the column for a constant.

    With ``=`` it would drop the column from the order, and be free to scan any index that has the rest of the order.
    With ``>=`` and ``<=`` older versions cannot bound the scan by a further column as well. So text is compared by
    ``LIKE`` and other types by ``= ANY(ARRAY[…])``; an index evaluates both as equality. Other databases have a
    planner that needs no such form.

    Args:
        of: the table and a dot, where the statement has several.
    """
    name, stored = f"{of}{column}", prepared(column, value, connection)
    if not supports_row_locks(connection):
        return Sql(f"({name} >= %s AND {name} <= %s)", (stored, stored))
    if _is_text(column):
        return Sql(f"{name} LIKE %s", (re.sub(r"([\\%_])", r"\\\1", stored),))
    return Sql(f"{name} = ANY(ARRAY[%s])", (stored,))


def beyond(
    columns: Sequence[str], operator: str, position: Sequence[Any], connection: BaseDatabaseWrapper, *, of: str = ""
) -> Sql:
    """Return ``(a, b) >= (x, y)`` or the like: a part of the one index that has this order."""
    names, marks = ", ".join([f"{of}{column}" for column in columns]), ", ".join(["%s"] * len(columns))
    values = [prepared(column, value, connection) for column, value in zip(columns, position, strict=True)]
    return Sql(f"({names}) {operator} ({marks})", tuple(values))


def prepared(column: str, value: Any, connection: BaseDatabaseWrapper) -> Any:
    """Return a value of a column of jobs as the driver takes it."""
    if isinstance(value, datetime):  # what the field does last; it costs the list a tenth as much
        return connection.ops.adapt_datetimefield_value(value)
    return Job._meta.get_field(column).get_db_prep_value(value, connection)  # type: ignore[union-attr]  # no relation back


@cache
def _is_text(column: str) -> bool:
    """Whether a column has text, which LIKE compares as ``=`` does but for collations of a host's project model."""
    field: Any = Job._meta.get_field(column)
    field = getattr(field, "target_field", field)
    return isinstance(field, CharField | TextField) and not field.db_collation


def index_scan(
    conditions: Iterable[Sql], order: Sequence[str], limits: Limits, *, descending: bool, of: str = "id"
) -> Sql:
    """Return a query of the jobs that match all conditions, of one index if it is the only one that has the order."""
    where, by = joined(" AND ", conditions), ordering(order, descending=descending)
    text = f"SELECT {of} FROM {JOBS} WHERE {where.text} ORDER BY {by} LIMIT %s OFFSET %s"  # noqa: S608 – no values
    return Sql(text, (*where.values, *limits))


def ordering(expressions: Sequence[str], *, descending: bool) -> str:
    """Return the content of ORDER BY; an index can be read in either direction, but in one for all its columns."""
    direction = " DESC" if descending else " ASC"
    return f"{direction}, ".join(expressions) + direction


def union(queries: Iterable[Sql]) -> Sql:
    """Return the rows of all queries."""
    return joined(" UNION ALL ", [Sql(f"SELECT * FROM ({each.text}) part", each.values) for each in queries])  # noqa: S608


def joined(word: str, parts: Iterable[Sql]) -> Sql:
    """Return all parts with a word between them."""
    texts, values = zip(*parts, strict=True)
    return Sql(word.join(texts), tuple(chain.from_iterable(values)))


class Holds(Func):
    """A condition of a queryset that ``write``, :func:`pinned` or :func:`beyond`, writes with these arguments."""

    output_field = BooleanField()

    def __init__(self, write: Callable[..., Sql], *arguments: Any) -> None:
        super().__init__(F("id"))
        self.write, self.arguments = write, arguments

    def as_sql(  # type: ignore[override]  # has no template
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any
    ) -> tuple[str, tuple[Any, ...]]:
        column, _values = compiler.compile(self.get_source_expressions()[0])  # as this query calls the table
        return self.write(*self.arguments, connection, of=column.removesuffix('"id"'))


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
