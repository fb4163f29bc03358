"""Which querysets an erase or update takes, and how a chunk finds, locks, and deletes or changes their rows."""

import json
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Any, Final

from django.core.exceptions import EmptyResultSet
from django.db import connections, router
from django.db.models import BooleanField, CharField, F, Func, IntegerField, Q, QuerySet, UUIDField
from django.db.models.expressions import RawSQL

from ..db.connection import jobs_connection, supports_row_locks
from ..exceptions import ActionMisused, ForeignDatabase
from .cascade import delete_with_cascade, parent_links, rows_of, sets_with
from .chunks import BIGGEST_BATCH
from .hidden_rows import adds_conditions_when_read, find_hiding_manager

NUL: Final = "\\u0000"  # as JSON has it
# Keys that are parameters of their own.
SMALL_SET: Final = 500


def erasable(store: str, rows: QuerySet[Any], *, keep_hidden: bool) -> QuerySet[Any]:
    """Return the rows in their table, as :func:`in_table` does.

    Raises:
        ActionMisused: they cannot be deleted, or are not all that they seem to be.
        ForeignDatabase: they are in another database than the jobs.
    """
    query = rows.query
    if query.is_sliced or query.distinct or query.combinator or query.values_select or query.annotation_select:
        raise ActionMisused(f"{store!r} must be a plain queryset: no slice, distinct, union or values()")
    alias = alias_of(rows)
    if alias != jobs_connection().alias:
        raise ForeignDatabase(store, alias=alias, home=jobs_connection().alias)
    return in_table(store, rows, keep_hidden=keep_hidden)


def to_change(store: str, rows: QuerySet[Any], values: dict[str, Any], *, keep_hidden: bool) -> QuerySet[Any]:
    """Return those of the rows that have other values, as :func:`erasable` does; NULL is another value, too."""
    if not values or any(hasattr(value, "resolve_expression") for value in values.values()):
        raise ActionMisused(f"update({store!r}, …) takes values, and no expressions; use job.chunk() for these")
    same = dict((f"{name}__isnull", True) if value is None else (name, value) for name, value in values.items())
    return erasable(store, rows, keep_hidden=keep_hidden).exclude(**same)


def in_table(store: str, rows: QuerySet[Any], *, keep_hidden: bool) -> QuerySet[Any]:
    """Return a plain queryset with the query of ``rows``, on the database that they are written to.

    So no method of the host's class has a say: its ``delete()`` may mark rows, its ``count()`` pass over them.

    Raises:
        ActionMisused: the class adds conditions when it is read, which a plain one would not have;
            or a manager has added conditions, and ``keep_hidden`` does not say that these are meant.
    """
    alias = alias_of(rows)
    plain: QuerySet[Any] = QuerySet(model=rows.model, query=rows.query.chain(), using=alias)
    if adds_conditions_when_read(rows.using(alias), plain):
        name = type(rows).__qualname__
        raise ActionMisused(f"the rows of {store!r} are a {name}, which adds conditions when read; use a plain manager")
    hiding = None if keep_hidden else find_hiding_manager(plain)
    if hiding is not None:
        manager, other = hiding
        use = f"use {other}" if other else "give the model a plain manager, `all_rows = models.Manager()`"
        raise ActionMisused(
            f"the rows of {store!r} have the conditions of {manager}, and rows that it hides would stay; "
            f"{use}, or say keep_hidden=True if they are to stay"
        )
    return plain


def alias_of(rows: QuerySet[Any]) -> str:
    """Return the database that ``rows`` are written to; a lagging replica would show deleted rows."""
    return rows._db or router.db_for_write(rows.model)  # type: ignore[attr-defined]  # what using() was given


def delete_some(rows: QuerySet[Any], size: int, *, keep_parents: bool = False) -> tuple[int, bool]:
    """Delete up to ``size`` rows; return how many, without cascades, and whether a search has found no further row.

    With ``keep_parents``, their parts in the tables of parent models stay.

    If none is deleted in sets, others may have changed some, or they cannot be deleted: one by one, this is seen.
    """
    deleted = _delete_in_sets(rows, size) if is_deleted_in_sets(rows) else 0
    if deleted:
        return deleted, deleted < size and not rows.exists()
    found = _delete_one_by_one(rows, min(size, BIGGEST_BATCH), keep_parents=keep_parents)
    return found or 0, found is None


def change_some(rows: QuerySet[Any], size: int, *, values: dict[str, Any]) -> tuple[int, bool]:
    """Set ``values`` in up to ``size`` rows, which match no more; return as :func:`delete_some` does.

    Raises:
        ActionMisused: they match still.
    """
    are_some = lock_some(rows, size)
    changed = 0 if are_some is None else rows_of(rows.model, rows.db).filter(are_some).update(**values)
    if changed and rows.filter(are_some).exists():
        raise ActionMisused(f"{', '.join(values)}: the database has other values after the update than it was given")
    return changed, changed < size and not rows.exists()


def lock_some(rows: QuerySet[Any], size: int) -> Func | Q | None:
    """Lock up to ``size`` rows; return a condition that only these fulfil. None: no row was found."""
    try:
        return _lock_some(rows, size) if _is_plain(rows) else _lock_and_match_again(rows, min(size, BIGGEST_BATCH))
    except EmptyResultSet:
        return None


class FoundKeys:
    """Keys of rows that a search has found, to be taken in slices: the search locks nothing, and is made once."""

    def __init__(self, rows: QuerySet[Any]) -> None:
        self._rows = rows
        self._keys: list[Any] = []

    def find(self, most: int) -> bool:
        """Search for so many if none is left; return whether there are any."""
        if not self._keys:
            self._keys = list(_to_find(self._rows).values_list("pk", flat=True)[:most])
        return bool(self._keys)

    def first(self, size: int) -> QuerySet[Any]:
        """Return the rows that have the first keys, as they are now."""
        return with_keys(self._rows, self._keys[: size if _has_plain_key(self._rows.model) else SMALL_SET])

    def drop(self, size: int) -> None:
        """Take no more of the first keys; those that were not tried are found by the next search."""
        del self._keys[:size]


def with_keys(rows: QuerySet[Any], keys: list[Any]) -> QuerySet[Any]:
    """Return the rows of the same table that have these keys, a thousand at most where keys are not plain."""
    are_meant = list(conditions(rows.model, keys))
    return rows_of(rows.model, rows.db).filter(are_meant[0] if len(are_meant) == 1 else Q(pk__in=keys))


def conditions(model: Any, keys: Collection[Any]) -> Iterator[Func | Q]:
    """Yield the conditions that rows with these keys fulfil: one, or several where keys are not plain."""
    if keys and _has_plain_key(model) and supports_row_locks(jobs_connection()):
        yield _is_any_of(_array_of(getattr(model._meta.pk, "target_field", model._meta.pk), keys))
    elif len(keys) > SMALL_SET and _has_plain_key(model) and NUL not in (text := _json_of(model._meta.pk, keys)):
        yield Q(pk__in=RawSQL("SELECT value FROM json_each(%s)", (text,)))
    else:
        yield from (Q(pk__in=some) for some in slices(keys, SMALL_SET))


def _array_of(key: Any, keys: Collection[Any]) -> RawSQL:
    """Return PostgreSQL's array of keys; numbers and UUIDs pass as one text, which is written much faster."""
    if hasattr(key, "from_db_value"):
        keys = [key.get_db_prep_value(each, jobs_connection()) for each in keys]
    if isinstance(key, CharField):
        return RawSQL("%s::text[]", (list(keys),))
    array_type = "bigint[]" if isinstance(key, IntegerField) else "uuid[]"
    return RawSQL(f"%s::{array_type}", (f"{{{','.join(map(str, keys))}}}",))  # noqa: S611 – the name of a type


def _json_of(key: Any, keys: Collection[Any]) -> str:
    return json.dumps([key.get_db_prep_value(each, jobs_connection()) for each in keys])


def slices(keys: Collection[Any], size: int) -> Iterator[list[Any]]:
    """Yield all keys, so many at a time."""
    listed = list(keys)
    return (listed[start : start + size] for start in range(0, len(listed), size))


def is_deleted_in_sets(rows: QuerySet[Any]) -> bool:
    """Whether Django need not see the rows: they have a plain query and key, and nothing but plain cascades."""
    return _is_plain(rows) and sets_with(rows) is not None


def _is_plain(rows: QuerySet[Any]) -> bool:
    """Whether the rows can be locked where they are found, and their keys pass as a text."""
    return _has_plain_key(rows.model) and _is_lockable(rows) and not rows.query.extra


def _has_plain_key(model: Any) -> bool:
    key: Any = model._meta.pk
    return isinstance(getattr(key, "target_field", key), (IntegerField, CharField, UUIDField))


def _delete_in_sets(rows: QuerySet[Any], size: int) -> int:
    """Delete up to ``size`` rows, and before them those that go with them, by one statement for each table."""
    try:
        if sets_with(rows) or not _has_places(rows):
            some = rows_of(rows.model, rows.db).filter(_lock_some(rows, size))
        else:
            some = _some_by_place(rows, size)
    except EmptyResultSet:  # no row can match
        return 0
    for refer in sets_with(some) or ():
        refer._raw_delete(rows.db)
    return some._raw_delete(rows.db)


def _delete_one_by_one(rows: QuerySet[Any], size: int, *, keep_parents: bool) -> int | None:
    """Delete up to ``size`` rows by Django's rules; return how many. None: none was found.

    The rows are locked, where rows have locks, so that they still match when deleted. Their keys are not
    collected in advance: each chunk would have to match them again, which is quadratic without table statistics.
    """
    if _is_lockable(rows):
        objects = list(_to_find(rows).defer(None).select_for_update(of=("self",))[:size])
        return delete_with_cascade(objects, rows, keep_parents=keep_parents) if objects else None
    are_some = _lock_and_match_again(rows, size)
    if are_some is None:
        return None
    return delete_with_cascade(rows_of(rows.model, rows.db).filter(are_some), rows, keep_parents=keep_parents)


def _lock_and_match_again(rows: QuerySet[Any], size: int) -> Q | None:
    """Lock up to ``size`` rows that cannot be locked where they are found; return a condition that only these fulfil.

    None: no row was found.
    """
    found = _to_find(rows)
    keys = list(found.values_list("pk", flat=True)[:size])
    if not keys:
        return None
    table = rows_of(rows.model, rows.db).filter(pk__in=keys)
    list(table.select_for_update())  # with their rows in the tables of parent models
    return Q(pk__in=list(table.filter(pk__in=found.values("pk")).values_list("pk", flat=True)))


def _some_by_place(rows: QuerySet[Any], size: int) -> QuerySet[Any]:
    """Return some rows by their places in the table, for the statement that deletes them: no key leaves the database.

    They need no lock, as that statement has all conditions once more: a row that has changed meanwhile is taken only
    if it still matches. ``IN`` could search again for each row, and find others.
    """
    place = f"{_table(rows)}.ctid"
    found = _to_find(rows).values_list(RawSQL(place, ()))  # noqa: S611 – a name only
    sql, params = found[:size].query.get_compiler(using=rows.db).as_sql()
    is_found = RawSQL(f"{place} = ANY(ARRAY({sql}))", params, BooleanField())  # noqa: S611 – what the ORM compiled
    return rows.order_by().filter(is_found)


def _lock_some(rows: QuerySet[Any], size: int) -> Func | Q:
    """Lock some rows, and return a condition with their keys, which pass through here as one text.

    On PostgreSQL it is no subquery: to join that, the planner could read the whole table once for each key, where it
    has no statistics yet.
    """
    connection, key = connections[rows.db], rows.model._meta.pk
    # The column's own type: that of the model may be narrower, and cut one key to another.
    arrays = "array_agg({0})::text, format_type(pg_typeof(array_agg({0})), -1)"
    gather = arrays if supports_row_locks(connection) else "json_group_array({0}), NULL"
    found = _to_find(rows).only("pk").select_for_update(of=("self",))[:size]
    sql, params = found.query.get_compiler(using=rows.db).as_sql()
    gather = gather.format(connection.ops.quote_name(key.column))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {gather} FROM ({sql}) AS found", params)  # noqa: S608 – what the ORM compiled
        keys, array_type = cursor.fetchone()
    if array_type:
        array = RawSQL(f"%s::{array_type}", (keys or "{}",))  # noqa: S611 – the name of a type
        return _is_any_of(array)
    if NUL in keys:  # where SQLite would cut a text, to what may be another key
        return Q(pk__in=json.loads(keys)[:SMALL_SET])
    return Q(pk__in=RawSQL("SELECT value FROM json_each(%s)", (keys,)))


def _is_any_of(array: RawSQL) -> Func:
    return Func(F("pk"), array, template="%(expressions)s)", arg_joiner=" = ANY(", output_field=BooleanField())


def _to_find(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Return the rows in any order: sorting would read all matching rows for every chunk."""
    return rows.order_by().select_related(None)


def _is_lockable(rows: QuerySet[Any]) -> bool:
    """Whether the statement that finds the rows can lock them: PostgreSQL locks no row of a group or a window."""
    query = rows.query
    return not parent_links(rows.model) and not query.annotations and query.group_by is None


def _has_places(rows: QuerySet[Any]) -> bool:
    """Whether rows are named by places: they are of an ordinary table, and no other has a part in the conditions."""
    query = rows.query.chain()
    query.get_initial_alias()
    of_one_table = sum(map(bool, query.alias_refcount.values())) == 1 and not query.extra_tables
    return of_one_table and supports_row_locks(connections[rows.db]) and _is_ordinary(rows.db, _table(rows))


@lru_cache(maxsize=256)
def _is_ordinary(alias: str, table: str) -> bool:
    """Whether this is no view, and no table of several parts, in which a place is not unique."""
    sql = """SELECT amname = 'heap' AND NOT relhassubclass FROM pg_class JOIN pg_am ON pg_am.oid = relam
             WHERE pg_class.oid = to_regclass(%s)"""
    with connections[alias].cursor() as cursor:
        cursor.execute(sql, [table])
        return bool(cursor.fetchone() == (True,))


def _table(rows: QuerySet[Any]) -> str:
    return connections[rows.db].ops.quote_name(rows.model._meta.db_table)
