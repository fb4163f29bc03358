"""The SQL of a transition: a guarded UPDATE and the INSERT of its events, on PostgreSQL as one statement.

Which transitions there are, and their guards, is in ``transitions``.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import Any, Final, cast
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db.backends.utils import CursorWrapper
from django.db.models.sql import UpdateQuery

from ..actors import Actor
from ..db.clock import Moment, compiled
from ..db.connection import jobs_connection, supports_row_locks
from ..db.statements import Parameter, Sql, Statement
from ..models import Job, JobEvent, JobQuerySet
from ..models.locks import unlocked
from ..status import Status


@dataclass(frozen=True, kw_only=True)
class TransitionResult:
    """Whether any row matched, the ids of those that did, and whether the worker's next job was begun as well."""

    won: bool
    next_begun: bool = False
    job_ids: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Fence:
    """A job and the token of one lease on it: the guard of every write of the worker that has the lease."""

    job_id: int
    lease_token: UUID


Rows = JobQuerySet | Fence
# For statements that are compiled once.
ANY_JOB: Final[Any] = Parameter(Job, "id")
ANY_TOKEN: Final[Any] = Parameter(Job, "lease_token")
# For rows that another statement returns.
WHOLE_JOBS: Final[Statement[Job]] = Statement(lambda: Job.objects.order_by())


@dataclass(frozen=True, kw_only=True)
class EventData:
    """The event of a transition. ``was`` is the status before; None: scheduled or running; the row says which."""

    what: JobEvent.What
    was: Status | None
    actor: Actor
    note: str = ""
    detail: str = ""


def new_event(
    job: Job, what: JobEvent.What, *, at: datetime, actor: Actor, was: str = "", status: str = "", note: str = ""
) -> JobEvent:
    """Return an event of a job; ``status`` is the one that it led to, if not the job's."""
    return JobEvent(
        job=job,
        at=at,
        what=what,
        from_status=was,
        to_status=status or job.status,
        attempt=job.attempt,
        actor=str(actor),
        request_id=actor.request_id,
        note=note,
    )


def fenced_rows(fence: Fence) -> JobQuerySet:
    """Return the job while this lease on it is in force."""
    return Job.objects.filter(pk=fence.job_id, status=Status.RUNNING, lease_token=fence.lease_token)


def expired_rows(fence: Fence, *, seen: datetime) -> JobQuerySet:
    """Return the job if its lease still expires at ``seen`` and its row is not locked.

    A locked row is being written by its worker, which is alive. Databases round instants
    differently, so a millisecond is allowed; a renewal changes the instant by seconds.
    """
    return unlocked(fenced_rows(fence).filter(lease_expires_at__lte=seen + timedelta(milliseconds=1)))


def apply_transition(
    rows: Rows, changes: dict[str, Any], event: EventData, now: Moment, next_fence: Fence | None = None
) -> TransitionResult:
    """Apply ``changes`` to ``rows``, insert an event for each, and begin the job of ``next_fence``."""
    try:
        update = _compiled_update(rows, changes)
    except EmptyResultSet:  # others have locked all rows
        return TransitionResult(won=False, next_begun=_begin(next_fence, now))
    connection, events = jobs_connection(), _compiled_events(event, now)
    with connection.cursor() as cursor:
        if supports_row_locks(connection):
            begin = _compiled_begin(next_fence, now) if next_fence else None
            return _apply_in_one_statement(cursor, update, events, begin)
        cursor.execute(f"{update[0]} RETURNING id", update[1])
        ids = [row[0] for row in cursor.fetchall()]
        marks = ", ".join(["%s"] * len(ids))
        cursor.execute(f"{events[0]} FROM {Job._meta.db_table} WHERE id IN ({marks})", (*events[1], *ids))
    return TransitionResult(won=bool(ids), next_begun=_begin(next_fence, now), job_ids=tuple(ids))


def apply_to_job(update: Statement[Any], event: EventData, now: Moment, **values: Any) -> Job | None:
    """Apply an UPDATE of one job and insert its event; return the job as the UPDATE left it, None if none matched.

    The UPDATE itself returns the row, because another one could change it before a second statement.
    """
    (sql, params), events = update.sql(**values), _compiled_events(event, now)
    columns = _columns()
    if supports_row_locks(jobs_connection()):
        parts = f"changed AS ({sql} RETURNING {columns}), logged AS ({events[0]} FROM changed)"
        whole = f"WITH {parts} SELECT {columns} FROM changed"  # noqa: S608 – parts the ORM compiled
        return next(iter(WHOLE_JOBS.read(whole, (*params, *events[1]))), None)
    job = next(iter(WHOLE_JOBS.read(f"{sql} RETURNING {columns}", params)), None)
    if job is not None:
        with jobs_connection().cursor() as cursor:
            cursor.execute(f"{events[0]} FROM {Job._meta.db_table} WHERE id = %s", (*events[1], job.pk))
    return job


@cache
def _columns() -> str:
    """Return all columns of a job. Not "*": a prepared statement with it fails after a migration that adds one."""
    return ", ".join(str(field.column) for field in Job._meta.concrete_fields)


def update_of(rows: JobQuerySet, changes: dict[str, Any]) -> Statement[Any]:
    """Return the UPDATE of ``rows``, which is compiled when it first runs."""

    def write() -> UpdateQuery:
        query = cast("UpdateQuery", rows.query.chain(UpdateQuery))
        query.add_update_values(changes)
        return query

    return Statement(write)


def update_returning(rows: JobQuerySet, changes: dict[str, Any]) -> list[int]:
    """Apply ``changes`` to ``rows`` without an event; return the ids of those that matched."""
    try:
        sql, params = _compiled_update(rows, changes)
    except EmptyResultSet:
        return []
    with jobs_connection().cursor() as cursor:
        cursor.execute(f"{sql} RETURNING id", params)
        return [pk for (pk,) in cursor.fetchall()]


def _begin(fence: Fence | None, now: Moment) -> bool:
    return fence is not None and fenced_rows(fence).update(begun_at=now) == 1


def _apply_in_one_statement(cursor: CursorWrapper, update: Sql, events: Sql, begin: Sql | None) -> TransitionResult:
    """Send the parts as data-modifying CTEs of PostgreSQL: one round trip and one commit."""
    begun, begun_params = (f", begun AS ({begin[0]} RETURNING 1)", begin[1]) if begin else ("", ())
    sql = (
        f"WITH changed AS ({update[0]} RETURNING id, status, attempt, worker), "  # noqa: S608 – parts the ORM compiled
        f"logged AS ({events[0]} FROM changed){begun} "
        f"SELECT (SELECT array_agg(id) FROM changed), {'(SELECT count(*) FROM begun)' if begin else '0'}"
    )
    cursor.execute(sql, (*update[1], *events[1], *begun_params))
    ids, begun_count = cursor.fetchone()
    return TransitionResult(won=bool(ids), next_begun=begun_count > 0, job_ids=tuple(ids or ()))


def _compiled_begin(fence: Fence, now: Moment) -> Sql:
    """Return the UPDATE that begins a job unless its row is locked.

    SKIP LOCKED, because this is part of the statement that ends a job, which must not wait for a second row.
    """
    at, at_params = compiled(now, jobs_connection())
    table = Job._meta.db_table
    sql = (
        f"UPDATE {table} SET begun_at = {at} WHERE id = (SELECT id FROM {table} "  # noqa: S608 – no value is in it
        "WHERE id = %s AND status = 'running' AND lease_token = %s FOR NO KEY UPDATE SKIP LOCKED)"
    )
    return sql, (*at_params, fence.job_id, _for_driver(fence.lease_token))


def _compiled_update(rows: Rows, changes: dict[str, Any]) -> Sql:
    """Return the ORM's UPDATE. For a fence it is compiled once, as compiling takes as long as running it."""
    if isinstance(rows, Fence):
        return _fenced_update(tuple(changes.items())).sql(id=rows.job_id, lease_token=rows.lease_token)
    return update_of(rows, changes).sql()


@lru_cache(maxsize=16)
def _fenced_update(changes: tuple[tuple[str, Any], ...]) -> Statement[Any]:
    return update_of(fenced_rows(Fence(job_id=ANY_JOB, lease_token=ANY_TOKEN)), dict(changes))


def _for_driver(token: UUID) -> Any:
    return Job._meta.get_field("lease_token").get_db_prep_value(token, jobs_connection())


def _compiled_events(event: EventData, now: Moment) -> Sql:
    """Return ``INSERT … SELECT`` without its FROM, which must offer id, status, attempt and worker after the change."""
    at, at_params = compiled(now, jobs_connection())
    was = "%s" if event.was else "CASE WHEN worker IS NULL THEN 'scheduled' ELSE 'running' END"
    sql = (
        f"INSERT INTO {JobEvent._meta.db_table} "
        "(job_id, at, what, from_status, to_status, attempt, actor, request_id, note, detail) "
        f"SELECT id, {at}, %s, {was}, status, attempt, %s, %s, %s, %s"
    )
    was_params = (event.was.value,) if event.was else ()
    actor = (str(event.actor), event.actor.request_id)
    return sql, (*at_params, event.what.value, *was_params, *actor, event.note, event.detail)
