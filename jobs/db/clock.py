"""The clock: the database's, or an instant that a test passes.

:data:`NOW` is for writing: it is read when the row is written, while ``Now()`` is old
after a lock wait. :func:`compared` is for conditions: an index can serve it.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import DateTimeField, Func, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Now
from django.db.models.sql import Query
from django.db.models.sql.compiler import SQLCompiler

from .connection import driver


class Clock(Func):
    """The database's wall clock plus ``offset``; on SQLite a text in the form in which Django stores instants."""

    output_field = DateTimeField()

    def __init__(self, offset: timedelta = timedelta(0)) -> None:
        super().__init__()
        self.offset = offset

    def as_sql(  # type: ignore[override]  # a function without arguments or template
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any
    ) -> tuple[str, tuple[timedelta, ...]]:
        """Compile for PostgreSQL; ``clock_timestamp()`` advances within a transaction."""
        return ("(clock_timestamp() + %s)", (self.offset,)) if self.offset else ("clock_timestamp()", ())

    def as_sqlite(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **kwargs: Any
    ) -> tuple[str, tuple[str, ...]]:
        """Compile to ``YYYY-MM-DD HH:MM:SS.mmm000``, which sorts among the texts Django stores."""
        return "STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f000', 'NOW', %s)", (f"{self.offset.total_seconds():+.3f} seconds",)


Moment = datetime | Clock
"""``NOW``, or the aware datetime that a test passes instead."""

NOW: Final = Clock()
# As SQL and parameters, by the kind of database.
_NOW: Final[dict[str, tuple[str, tuple[Any, ...]]]] = {}


def after(now: Moment, wait: timedelta) -> Moment:
    """Return the moment ``wait`` after ``now``, to be written."""
    return Clock(now.offset + wait) if isinstance(now, Clock) else now + wait


def compared(now: Moment, connection: BaseDatabaseWrapper) -> datetime | Combinable:
    """Return ``now`` for a condition: constant within the statement, so that an index can serve it."""
    return Now() if now is NOW and connection.features.has_select_for_update else now


def compiled(moment: datetime | Combinable, connection: BaseDatabaseWrapper) -> tuple[str, tuple[Any, ...]]:
    """Return a moment as SQL and parameters, for statements that the ORM cannot write."""
    if moment is NOW and connection.vendor in _NOW:
        return _NOW[connection.vendor]
    expression = Value(moment, output_field=DateTimeField()) if isinstance(moment, datetime) else moment
    sql, params = Query(None).get_compiler(connection=connection).compile(expression)
    if moment is NOW:
        _NOW[connection.vendor] = sql, tuple(params)
    return sql, tuple(params)


def read(connection: BaseDatabaseWrapper) -> datetime:
    """Return the database's time as an aware UTC datetime."""
    sql, params = compiled(NOW, connection)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {sql}", params)
        (value,) = cursor.fetchone()
    return as_datetime(value)


def as_datetime(value: datetime | str) -> datetime:
    """Return a driver's value of an instant as an aware datetime; SQLite's driver returns text."""
    return datetime.fromisoformat(value).replace(tzinfo=UTC) if isinstance(value, str) else value


def next_midnight(now: datetime) -> datetime:
    """Return the first 00:00 UTC after ``now``; UTC by decision, whatever the host's time zone."""
    return (now.astimezone(UTC) + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)


def read_instants_in_c(cursor: Any) -> None:
    """Let psycopg's own code read the instants in this cursor's rows; Django's does it in Python, ten times as slowly.

    They are the same instants, in the connection's time zone. Without psycopg 3 nothing is changed.
    """
    adapters = getattr(cursor, "adapters", None)
    if adapters is not None:
        loader = driver(cursor.db).adapters.get_loader(adapters.types["timestamptz"].oid, 0)
        adapters.register_loader("timestamptz", loader)
