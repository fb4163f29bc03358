"""Rows that refer to others of their own table: which follow from some, and how they are erased in chunks."""

from collections.abc import Collection
from typing import Any, Final

from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.models import Q, QuerySet

from ..db.connection import jobs_connection, supports_row_locks
from ..exceptions import JobFailed
from ..execution.cascade import rows_of
from ..execution.erasing import conditions
from .graph import Link, Model

# Of a chunk: they go together, with all that follow from them. Older versions of SQLite take 999 parameters.
MOST_ROWS: Final = 900
LEAST_ROWS: Final = 50


def table_of(model: Model) -> QuerySet[Any]:
    """Return all rows of a model's table, whatever managers hide."""
    return rows_of(model, jobs_connection().alias)


def below_own(model: Model, links: list[Link], *, name: str) -> str:
    """Return what adds to a table of keys, in a statement with ``WITH RECURSIVE``, those of the rows below.

    They refer by one of the links to a row of the table, or to one that refers to such a row, and so on.
    """
    if not links:
        return ""
    connection, options = jobs_connection(), model._meta
    quote = connection.ops.quote_name
    table, key = quote(options.db_table), quote(options.pk.column)
    refers = " OR ".join(f"child.{quote(link.field.column)} = {_target(link, name, table, key)}" for link in links)
    below = f"JOIN {table} child ON {refers}"
    if supports_row_locks(connection):
        # Searched for each row: a join might read the whole table for each depth.
        below = f"CROSS JOIN LATERAL (SELECT {key} FROM {table} child WHERE {refers} OFFSET 0) child"  # noqa: S608 – names
    return f" UNION SELECT child.{key} FROM {name} {below}"  # noqa: S608 – names


def keys_above(model: Model, links: list[Link], keys: Collection[Any]) -> list[Any]:
    """Return keys of rows with those that they refer to by one of the links, and so on."""
    if not links or not keys:
        return list(keys)
    connection, options = jobs_connection(), model._meta
    quote = connection.ops.quote_name
    name, table, key = quote("rows above"), quote(options.db_table), quote(options.pk.column)
    columns = [(quote(link.field.column), quote(link.field.target_field.column)) for link in links]
    refers = " OR ".join(f"parent.{target} = child.{column}" for column, target in columns)
    if supports_row_locks(connection):
        above = f"{table} child JOIN {table} parent ON {refers} WHERE child.{key} = {name}.id"
        found = f"SELECT parent.{key} FROM {above} OFFSET 0"  # noqa: S608 – names
        more = f"SELECT parent.{key} FROM {name} CROSS JOIN LATERAL ({found}) parent"  # noqa: S608 – names
    else:
        above = f"JOIN {table} child ON child.{key} = {name}.id JOIN {table} parent ON {refers}"
        more = f"SELECT parent.{key} FROM {name} {above}"  # noqa: S608 – names
    parts = (table_of(model).filter(are_some) for are_some in conditions(model, keys))
    return [above for some in parts for above in _keys_with(some, f" UNION {more}", name=name)]


def lock_branches(rows: QuerySet[Any], links: list[Link]) -> Q | None:
    """Lock some of ``rows`` with all that follow from them; return a condition that only these fulfil.

    If some went alone, those that follow would not be found any more. None: there are no rows, or one was added before
    they were locked.

    Raises:
        JobFailed: more rows than a chunk can take refer to each other in a circle.
    """
    keys = _whole_branches(rows, links)
    are_some = Q(pk__in=keys)
    some = rows_of(rows.model, rows.db).filter(are_some)
    list(some.select_for_update().values_list("pk"))
    return are_some if keys and set(_keys_below(some, links, len(keys) + 1)) == set(keys) else None


def _whole_branches(rows: QuerySet[Any], links: list[Link]) -> list[Any]:
    """Return keys of some of the rows, and those of all rows that follow from these.

    Where these are too many, it goes on with fewer rows from further below.
    """
    top = list(rows.order_by().values_list("pk", flat=True)[:MOST_ROWS])
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
    name = jobs_connection().ops.quote_name("rows of branches")
    return _keys_with(rows, below_own(rows.model, links, name=name), name=name, most=most)


def _keys_with(rows: QuerySet[Any], more: str, *, name: str, most: int = -1) -> list[Any]:
    """Return the keys of rows and those that a recursion adds to the table of this name."""
    try:
        first, params = rows.order_by().values("pk").query.get_compiler(using=rows.db).as_sql()
    except EmptyResultSet:
        return []
    limit = f" LIMIT {most}" if most >= 0 else ""
    with connections[rows.db].cursor() as cursor:
        cursor.execute(f"WITH RECURSIVE {name} (id) AS ({first}{more}) SELECT id FROM {name}{limit}", params)  # noqa: S608 – names, and what the ORM compiled
        return [rows.model._meta.pk.to_python(key) for (key,) in cursor.fetchall()]


def _target(link: Link, name: str, table: str, key: str) -> str:
    """Return what the key holds of the row that is named in the table of keys."""
    target = link.field.target_field
    if target.primary_key:
        return f"{name}.id"
    column = jobs_connection().ops.quote_name(target.column)
    return f"(SELECT parent.{column} FROM {table} parent WHERE parent.{key} = {name}.id)"  # noqa: S608 – names
