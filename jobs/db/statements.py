"""Statements that Django compiles once for each database; with named parameters in place of the values.

To write the SQL of a query takes Django several times as long as PostgreSQL to run it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

from django.db import Error as DjangoDatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Expression, Field, Model, QuerySet
from django.db.models.sql import Query
from django.db.models.sql.compiler import SQLCompiler

from .connection import jobs_connection
from .errors import ErrorKind, kind_of
from .proof import note_proof

Sql = tuple[str, tuple[Any, ...]]
Row = TypeVar("Row")


class Parameter(Expression):
    """The value of a column, in a condition or an assignment; it is given by the column's name at each run."""

    def __init__(self, model: type[Model], name: str) -> None:
        self.column = cast("Field[Any, Any]", model._meta.get_field(name))
        self.name = name
        super().__init__(output_field=self.column)

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, tuple[Any, ...]]:
        return "%s", (self,)  # ``Statement.sql`` puts the value there


@dataclass(frozen=True, kw_only=True)
class _Compiled:
    """The SQL of a query, and how objects are made of its rows. It must not refer to a thread's connection."""

    sql: str
    params: tuple[Any, ...]
    converted: list[tuple[int, Any]]
    make: Callable[[Sequence[Any]], Any]


@dataclass(frozen=True)
class Statement(Generic[Row]):
    """A query of the jobs' database that ``write`` returns: a queryset or an UPDATE, with a :class:`Parameter` or more.

    ``write`` is called once for each database, so the query must not depend on anything but its parameters.
    """

    write: Callable[[], QuerySet[Any, Row] | Query]
    _compiled: dict[tuple[str, str], _Compiled] = field(default_factory=dict, compare=False, repr=False)

    def sql(self, **values: Any) -> Sql:
        """Return the text and its parameters, with a value for each name."""
        connection = jobs_connection()
        return _filled(self._compile(connection), values, connection)

    def run(self, **values: Any) -> list[Row]:
        """Run it, and return what iterating over the queryset would."""
        connection = jobs_connection()
        return self._read(connection, *_filled(self._compile(connection), values, connection))

    def read(self, sql: str, params: Sequence[Any]) -> list[Row]:
        """Run another text whose rows have the columns of this query, in its order; return what :meth:`run` would."""
        return self._read(jobs_connection(), sql, params)

    def _read(self, connection: BaseDatabaseWrapper, sql: str, params: Sequence[Any]) -> list[Row]:
        compiled = self._compile(connection)
        with connection.cursor() as cursor:
            cursor.execute(sql, params)
            rows = [list(row) for row in cursor.fetchall()]
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

    def _compile(self, connection: BaseDatabaseWrapper) -> _Compiled:
        key = (connection.alias, connection.vendor)
        if key not in self._compiled:
            written = self.write()
            query = written.query if isinstance(written, QuerySet) else written
            compiler: Any = query.get_compiler(connection=connection)
            sql, params = compiler.as_sql()
            columns = [column for column, *_ in compiler.select or ()]
            info, annotations = compiler.klass_info, compiler.annotation_col_map or {}
            is_of_models = info is not None and query.default_cols
            self._compiled[key] = _Compiled(
                sql=sql,
                params=tuple(params),
                converted=[(i, column) for i, column in enumerate(columns) if _converters(column, connection)],
                make=_maker(info, columns, annotations, connection.alias) if is_of_models else tuple,
            )
        return self._compiled[key]


def _filled(compiled: _Compiled, values: dict[str, Any], connection: BaseDatabaseWrapper) -> Sql:
    """Return the text and its parameters; a value that is sent several times is prepared once."""
    prepared: dict[int, Any] = {}
    for param in compiled.params:
        if isinstance(param, Parameter) and id(param.column) not in prepared:
            prepared[id(param.column)] = param.column.get_db_prep_value(values[param.name], connection)
    return compiled.sql, tuple(
        [prepared[id(param.column)] if isinstance(param, Parameter) else param for param in compiled.params]
    )


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
