"""Row locks that do not wait: the only place that asks for SKIP LOCKED."""

from typing import Any, Final, cast

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, CharField, Expression, Field, Func
from django.db.models.lookups import In
from django.db.models.sql.compiler import SQLCompiler

from ..db.connection import jobs_connection, supports_row_locks
from ..db.statements import ListParameter
from ..status import Status
from .job import Job, JobQuerySet


def skip_locked(rows: JobQuerySet) -> JobQuerySet:
    """Return ``rows`` by ascending id; reading them locks them and leaves out those that others have locked.

    ``no_key``: foreign-key inserts of others do not wait. Without row locks, all rows are read and none is locked.
    """
    rows = rows.order_by("pk")
    return rows.select_for_update(skip_locked=True, no_key=True) if supports_row_locks(jobs_connection()) else rows


def unlocked(rows: JobQuerySet) -> JobQuerySet:
    """Lock those of ``rows`` that no other transaction has locked, and return them, to be updated or deleted.

    Without row locks this sends nothing, so that the transaction starts with its write.
    """
    if not supports_row_locks(jobs_connection()):
        return rows
    return rows.filter(pk__in=list(skip_locked(rows).values_list("pk", flat=True)))


def of_one(*statuses: Status) -> In:
    """Return the condition that a job which is found by its id has one of ``statuses``.

    Not a plain comparison: where few jobs had the status when statistics were gathered, PostgreSQL
    reads an index of all that have it now, and finds the id among them.
    """
    column = Func("status", template="%(expressions)s || ''", output_field=CharField())
    return In(column, [status.value for status in statuses])


class Given(Expression):
    """A column of the list that :class:`Among` is given: ``id`` or ``token``."""

    def __init__(self, name: str, *, of: str) -> None:
        super().__init__(output_field=cast("Field[Any, Any]", Job._meta.get_field(of)))
        self.name = name

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, tuple[Any, ...]]:
        return f"given.{self.name}", ()


GIVEN_ID: Final[Any] = Given("id", of="id")
GIVEN_TOKEN: Final[Any] = Given("token", of="lease_token")


class Among(Expression):
    """The condition, in a statement that is compiled once, that a job is one of ``rows``, which find those of a list.

    Jobs that other transactions have locked are left out, as by :func:`unlocked`, and the others are locked. ``rows``
    have the condition :class:`OneOf`; or the list has an id and a lease token for each job, which are given as
    ``pairs``, and ``rows`` find one of them by :data:`GIVEN_ID` and :data:`GIVEN_TOKEN`. Such a list is short: by
    statistics that know of no job, PostgreSQL may scan an index for each pair.
    """

    def __init__(self, rows: JobQuerySet, *, pairs: tuple[str, str] | tuple[()] = ()) -> None:
        super().__init__(output_field=BooleanField())
        self.rows = rows
        self.pairs = tuple(map(ListParameter, pairs))

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, tuple[Any, ...]]:
        sql, params = self.rows.order_by().values_list("pk").query.get_compiler(connection=connection).as_sql()
        column = f"{Job._meta.db_table}.id"
        if supports_row_locks(connection):
            # As :func:`of_one` does.
            status = ".".join(map(connection.ops.quote_name, (Job._meta.db_table, "status")))
            sql = sql.replace(f"{status} = ", f"{status} || '' = ")
            free = f"{sql} FOR NO KEY UPDATE SKIP LOCKED"
            if self.pairs:
                given = "unnest(%s::bigint[], %s::uuid[]) AS given(id, token)"
                free = f"SELECT free.id FROM {given}, LATERAL ({free}) AS free(id)"  # noqa: S608 – no value
            return f"{column} = ANY(ARRAY({free}))", (*self.pairs, *params)
        if self.pairs:
            given = "SELECT i.value AS id, t.value AS token FROM json_each(%s) AS i JOIN json_each(%s) AS t USING (key)"
            sql = f"SELECT given.id FROM ({given}) AS given WHERE EXISTS ({sql})"  # noqa: S608 – the same
        return f"{column} IN ({sql})", (*self.pairs, *params)


class OneOf(Expression):
    """The condition, in a statement that is compiled once, that a job's id is one of a list that is given."""

    def __init__(self, ids: str) -> None:
        super().__init__(output_field=BooleanField())
        self.ids = ListParameter(ids)

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, tuple[Any, ...]]:
        of = "= ANY(%s::bigint[])" if supports_row_locks(connection) else "IN (SELECT value FROM json_each(%s))"
        return f"{Job._meta.db_table}.id {of}", (self.ids,)
