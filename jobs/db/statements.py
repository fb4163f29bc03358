"""Statements that Django compiles once for each database; with named parameters in place of the values.

To write the SQL of a query takes Django several times as long as PostgreSQL to run it.
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar, cast
from uuid import UUID

from django.db import Error as DjangoDatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import CharField, Expression, Field, IntegerField, Model, QuerySet, TextField
from django.db.models.sql import Query
from django.db.models.sql.compiler import SQLCompiler

from .clock import read_instants_in_c
from .connection import jobs_connection, supports_row_locks
from .errors import ErrorKind, kind_of
from .proof import note_proof

Sql = tuple[str, tuple[Any, ...]]
Row = TypeVar("Row")

_MARK: Final = re.compile("%%|%s")
_WORD: Final = re.compile(r"\w*", re.ASCII)


class Parameter(Expression):
    """The value of a column, in a condition or an assignment; it is given by a name, the column's, at each run."""

    def __init__(self, model: type[Model], name: str, *, given_as: str = "") -> None:
        self.column = cast("Field[Any, Any]", model._meta.get_field(name))
        self.name = given_as or name
        # What the column's own conversion would leave as it is.
        text = isinstance(self.column, CharField | TextField)
        self._plain = str if text else int if isinstance(self.column, IntegerField) else None
        super().__init__(output_field=self.column)

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, tuple[Any, ...]]:
        return "%s", (self,)  # ``Statement.sql`` puts the value there

    def for_driver(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        """Return the value as the driver takes it."""
        return value if type(value) is self._plain else self.column.get_db_prep_value(value, connection)


@dataclass(frozen=True)
class ListParameter:
    """A parameter for any number of ids or tokens; on PostgreSQL an array, on SQLite a list in JSON."""

    name: str

    def for_driver(self, values: Iterable[int | UUID], connection: BaseDatabaseWrapper) -> Any:
        """Return the values as the driver takes them."""
        if supports_row_locks(connection):
            return list(values)
        return json.dumps([value.hex if isinstance(value, UUID) else value for value in values])


@dataclass(frozen=True, kw_only=True)
class _Compiled:
    """The SQL of a query, and how objects are made of its rows. It must not refer to a thread's connection."""

    sql: str
    params: tuple[Any, ...]
    converted: list[tuple[int, Any]]
    make: Callable[[Sequence[Any]], Any]


@dataclass(frozen=True)
class Statement(Generic[Row]):
    """A query of the jobs' database that ``write`` returns: a queryset, an UPDATE, or SQL put together from some.

    ``write`` is called once for each database, so the query must not depend on anything but its parameters.
    """

    write: Callable[[], QuerySet[Any, Row] | Query | Sql]
    _compiled: dict[tuple[str, str], _Compiled] = field(default_factory=dict, compare=False, repr=False)

    def template(self) -> Sql:
        """Return the text, and its parameters with a :class:`Parameter` where a value is to be given."""
        compiled = self._compile(jobs_connection())
        return compiled.sql, compiled.params

    def sql(self, **values: Any) -> Sql:
        """Return the text and its parameters, with a value for each name."""
        return self._sql(jobs_connection(), values)

    def run(self, **values: Any) -> list[Row]:
        """Run it, and return what iterating over the queryset would."""
        return self.make(self.fetch(**values))

    def fetch(self, **values: Any) -> list[tuple[Any, ...]]:
        """Run it, and return the rows of the driver."""
        connection = jobs_connection()
        with connection.cursor() as cursor:
            read_instants_in_c(cursor)
            cursor.execute(*self._sql(connection, values))
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows

    def execute(self, **values: Any) -> int:
        """Run it, and return how many rows matched."""
        connection = jobs_connection()
        with connection.cursor() as cursor:
            cursor.execute(*self._sql(connection, values))
            return int(cursor.rowcount)

    def make(self, found: Iterable[Sequence[Any]]) -> list[Row]:
        """Return what iterating over the queryset would for these rows of the driver."""
        connection = jobs_connection()
        compiled, rows = self._compile(connection), [list(row) for row in found]
        for position, expression in compiled.converted:
            for convert in _converters(expression, connection):
                for row in rows:
                    row[position] = convert(row[position], expression, connection)
        return [compiled.make(row) for row in rows]

    def first(self, **values: Any) -> Row | None:
        """Run it, and return the first row or None."""
        return next(iter(self.run(**values)), None)

    def first_of_request(self, **values: Any) -> Row | None:
        """Do what :meth:`first` does, also if the server has ended the session since the last request.

        So the statement proves the connection by itself, and Django need not send ``SELECT 1``
        before it (``CONN_HEALTH_CHECKS``). If the connection is lost, it is opened anew, once.
        """
        connection = jobs_connection()
        was_open = connection.connection is not None
        connection.health_check_done = True  # type: ignore[attr-defined]  # unknown to the stubs
        try:
            row = self.first(**values)
        except DjangoDatabaseError as error:
            if not was_open or connection.in_atomic_block or kind_of(error) is not ErrorKind.OUTAGE:
                raise
            connection.close()
            row = self.first(**values)
        note_proof(connection)
        return row

    def _sql(self, connection: BaseDatabaseWrapper, values: dict[str, Any]) -> Sql:
        compiled = self._compile(connection)
        return compiled.sql, tuple(
            param.for_driver(values[param.name], connection) if isinstance(param, Parameter | ListParameter) else param
            for param in compiled.params
        )

    def _compile(self, connection: BaseDatabaseWrapper) -> _Compiled:
        key = (connection.alias, connection.vendor)
        found = self._compiled.get(key)
        if found is None:
            written = self.write()
            found = _compile_sql(written) if isinstance(written, tuple) else _compile_query(written, connection)
            self._compiled[key] = found
        return found


def _compile_sql(written: Sql) -> _Compiled:
    sql, params = _with_words(*written)
    return _Compiled(sql=sql, params=params, converted=[], make=tuple)


def _compile_query(written: QuerySet[Any, Any] | Query, connection: BaseDatabaseWrapper) -> _Compiled:
    query = written.query if isinstance(written, QuerySet) else written
    compiler: Any = query.get_compiler(connection=connection)
    sql, params = _with_words(*compiler.as_sql())
    columns = [column for column, *_ in compiler.select or ()]
    info, annotations = compiler.klass_info, compiler.annotation_col_map or {}
    is_of_models = info is not None and query.default_cols
    return _Compiled(
        sql=sql,
        params=params,
        converted=[(i, column) for i, column in enumerate(columns) if _converters(column, connection)],
        make=_maker(info, columns, annotations, connection.alias) if is_of_models else tuple,
    )


def _with_words(sql: str, params: Iterable[Any]) -> Sql:
    """Write constants that are single words, such as a status, into the text: a driver would quote them at each run."""
    left, kept = iter(params), []

    def put(mark: re.Match[str]) -> str:
        if mark[0] == "%%":
            return "%%"
        param = next(left)
        if type(param) is str and _WORD.fullmatch(param):
            return f"'{param}'"
        kept.append(param)
        return "%s"

    return _MARK.sub(put, sql), tuple(kept)


def _converters(expression: Any, connection: BaseDatabaseWrapper) -> list[Any]:
    return [*connection.ops.get_db_converters(expression), *expression.get_db_converters(connection)]


def _maker(info: Any, columns: list[Any], annotations: dict[str, int], alias: str) -> Callable[[Sequence[Any]], Any]:
    """Return what makes an instance of a row, as Django's ``ModelIterable`` does.

    Those of ``select_related`` are made too; their keys must not be null.
    """
    kind, positions = info["model"], info["select_fields"]
    names = [columns[position].target.attname for position in positions]
    infos = info.get("related_klass_infos", ())
    related = [(each["local_setter"], _maker(each, columns, {}, alias)) for each in infos]

    def make(row: Sequence[Any]) -> Any:
        found = kind.from_db(alias, names, [row[position] for position in positions])
        for set_related, make_related in related:
            set_related(found, make_related(row))
        for name, position in annotations.items():
            setattr(found, name, row[position])
        return found

    return make
