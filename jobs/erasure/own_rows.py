"""Rows that refer to others of their own table: which follow from some, and how they are erased in chunks."""

from collections.abc import Callable
from typing import Any, Final

from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

from ..db.connection import supports_row_locks
from ..exceptions import JobFailed
from ..execution.cascade import rows_of
from ..execution.erasing import delete_some
from .graph import Link

# Of a chunk: they go together, with all that follow from them. Older versions of SQLite take 999 parameters.
MOST_ROWS: Final = 900
LEAST_ROWS: Final = 50


def with_own(rows: QuerySet[Any], links: list[Link]) -> QuerySet[Any]:
    """Add the rows that refer to ``rows`` by one of these keys, those that refer to these, and so on."""
    if not links:
        return rows
    try:
        sql, params = _sql(rows, links)
    except EmptyResultSet:
        return rows.none()
    return rows_of(rows.model, rows.db).filter(pk__in=RawSQL(sql, params))  # noqa: S611 – what the ORM compiled


def erase_branches(
    rows: QuerySet[Any], size: int, *, ready: QuerySet[Any], links: list[Link], keep_parents: bool
) -> tuple[int, bool]:
    """Delete some of ``rows`` with all that follow from them; return as :func:`delete_some` does.

    If some went alone, those that follow would not be found any more. ``ready`` are those that may go.

    Raises:
        JobFailed: more rows than a chunk can take refer to each other in a circle.
    """
    keys = _whole_branches(rows, size, links)
    some = rows_of(rows.model, rows.db).filter(pk__in=keys)
    list(some.select_for_update().values_list("pk"))
    if set(_keys_below(some, links, len(keys) + 1)) != set(keys):
        return 0, False  # one was added before they were locked
    meant = ready.filter(pk__in=keys)
    if not keys or meant.count() < len(keys):
        return 0, True  # what is left is found when the job is verified
    return delete_some(meant, len(keys), keep_parents=keep_parents)[0], not rows.exists()


def _whole_branches(rows: QuerySet[Any], size: int, links: list[Link]) -> list[Any]:
    """Return keys of some of the rows, and those of all rows that follow from these.

    Where these are too many, it goes on with fewer rows from further below.
    """
    top = list(rows.order_by().values_list("pk", flat=True)[: min(max(size, LEAST_ROWS), MOST_ROWS)])
    tried: set[Any] = set()
    while True:
        found = _keys_below(rows_of(rows.model, rows.db).filter(pk__in=top), links, MOST_ROWS + 1)
        if len(found) <= MOST_ROWS:
            return found
        if len(top) == 1 and top[0] in tried:
            raise JobFailed(f"More than {MOST_ROWS:,} rows refer to each other in a circle; none of them was erased.")
        tried.update(top if len(top) == 1 else ())
        above = set(top)
        # The database finds those that are further below last.
        top = [key for key in found if key not in above][-max(1, len(top) // 2) :]


def _keys_below(rows: QuerySet[Any], links: list[Link], most: int) -> list[Any]:
    """Return the keys of rows and of those that follow from them, so many at most."""
    try:
        sql, params = _sql(rows, links)
    except EmptyResultSet:
        return []
    with connections[rows.db].cursor() as cursor:
        cursor.execute(f"{sql} LIMIT {most}", params)
        return [rows.model._meta.pk.to_python(key) for (key,) in cursor.fetchall()]


def _sql(rows: QuerySet[Any], links: list[Link]) -> tuple[str, tuple[Any, ...]]:
    """Return a statement for the keys of ``rows`` and of those that follow, each once."""
    connection, options = connections[rows.db], rows.model._meta
    first, params = rows.order_by().values("pk").query.get_compiler(using=rows.db).as_sql()
    quote = connection.ops.quote_name
    table, key = quote(options.db_table), quote(options.pk.column)
    refers = " OR ".join(f"child.{quote(link.field.column)} = {_target(link, table, key, quote)}" for link in links)
    below = f"JOIN {table} child ON {refers}"
    if supports_row_locks(connection):
        # Searched for each row: a join might read the whole table for each depth.
        below = f"CROSS JOIN LATERAL (SELECT {key} FROM {table} child WHERE {refers} OFFSET 0) child"  # noqa: S608 – names
    sql = f"WITH RECURSIVE found (id) AS ({first} UNION SELECT child.{key} FROM found {below}) SELECT id FROM found"  # noqa: S608 – names, and what the ORM compiled
    return sql, params


def _target(link: Link, table: str, key: str, quote: Callable[[str], str]) -> str:
    """Return what the key holds of the row that ``found.id`` names."""
    target = link.field.target_field
    if target.primary_key:
        return "found.id"
    return f"(SELECT parent.{quote(target.column)} FROM {table} parent WHERE parent.{key} = found.id)"  # noqa: S608 – names
