"""The SQL of a transition: a guarded UPDATE and the INSERT of its events, on PostgreSQL as one statement.

Which transitions there are, and their guards, is in ``transitions``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import Any, Final, cast
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.sql import UpdateQuery

from ..actors import Actor
from ..db.clock import Moment, compiled
from ..db.connection import jobs_connection, supports_row_locks
from ..db.statements import Parameter, Sql, Statement
from ..models import Job, JobEvent, JobQuerySet
from ..models.locks import GIVEN_ID, GIVEN_TOKEN, Among, OneOf, of_one, unlocked
from ..status import Status


@dataclass(frozen=True, kw_only=True)
class TransitionResult:
    """Whether any row matched, the ids of those that did, and those of the worker's next jobs that were begun."""

    won: bool
    job_ids: tuple[int, ...] = ()
    begun_ids: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Fence:
    """A job and the token of one lease on it: the guard of every write of the worker that has the lease."""

    job_id: int
    lease_token: UUID


# For statements that are compiled once.
ANY_JOB: Final[Any] = Parameter(Job, "id")
ANY_TOKEN: Final[Any] = Parameter(Job, "lease_token")
NEXT_JOB: Final[Any] = Parameter(Job, "id", given_as="next_id")
NEXT_TOKEN: Final[Any] = Parameter(Job, "lease_token", given_as="next_token")
OF_EVENT: Final = tuple(Parameter(JobEvent, name) for name in ("actor", "request_id", "note", "detail"))
JOBS: Final[Statement[Job]] = Statement(lambda: Job.objects.order_by())


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
    return Job.objects.filter(of_one(Status.RUNNING), pk=fence.job_id, lease_token=fence.lease_token)


def expired_rows(fence: Fence, *, seen: datetime) -> JobQuerySet:
    """Return the job if its lease still expires at ``seen`` and its row is not locked.

    A locked row is being written by its worker, which is alive. Databases round instants
    differently, so a millisecond is allowed; a renewal changes the instant by seconds.
    """
    return unlocked(fenced_rows(fence).filter(lease_expires_at__lte=seen + timedelta(milliseconds=1)))


def any_fenced() -> JobQuerySet:
    """Return :func:`fenced_rows` for a statement that is compiled once."""
    return fenced_rows(Fence(job_id=ANY_JOB, lease_token=ANY_TOKEN))


def many_fenced(prefix: str = "") -> JobQuerySet:
    """Return :func:`fenced_rows` of a list of fences, given as ``ids`` and ``tokens``, that are not locked."""
    given = fenced_rows(Fence(job_id=GIVEN_ID, lease_token=GIVEN_TOKEN))
    return Job.objects.filter(Among(given, pairs=(f"{prefix}ids", f"{prefix}tokens")))


def execute_fenced(update: Statement[Any], fence: Fence, **values: Any) -> bool:
    """Apply an UPDATE of :func:`any_fenced` without an event; False: the lease is lost."""
    return update.execute(id=fence.job_id, lease_token=fence.lease_token, **values) == 1


def begin_job(fence: Fence, now: Moment) -> bool:
    """Store that the action is entered now; False: the lease is lost."""
    return execute_fenced(_begin_of(now), fence)


def apply_transition(rows: JobQuerySet, changes: dict[str, Any], event: EventData, now: Moment) -> TransitionResult:
    """Apply ``changes`` to ``rows``, and insert an event for each."""
    try:
        return _apply(update_of(rows, changes), event, now)
    except EmptyResultSet:  # others have locked all rows
        return TransitionResult(won=False)


def apply_fenced(
    update: Statement[Any], fence: Fence, event: EventData, now: Moment, next_fence: Fence | None = None, **values: Any
) -> TransitionResult:
    """Apply an UPDATE of :func:`any_fenced`, insert its event, and begin the job of ``next_fence``."""
    values |= {"id": fence.job_id, "lease_token": fence.lease_token}
    if next_fence is None:
        return _apply(update, event, now, **values)
    values |= {"next_id": next_fence.job_id, "next_token": next_fence.lease_token}
    return _apply(update, event, now, _begin_of_next(now), **values)


def apply_to_many(
    update: Statement[Any], fences: Sequence[Fence], event: EventData, now: Moment, next_fences: Sequence[Fence]
) -> TransitionResult:
    """Apply an UPDATE of :func:`many_fenced`, insert its events, and begin those of ``next_fences``."""
    values: dict[str, Any] = {
        "ids": [fence.job_id for fence in fences],
        "tokens": [fence.lease_token for fence in fences],
    }
    if not next_fences:
        return _apply(update, event, now, **values)
    values["next_ids"] = [fence.job_id for fence in next_fences]
    values["next_tokens"] = [fence.lease_token for fence in next_fences]
    return _apply(update, event, now, _begin_of_many(now), **values)


def apply_and_return(update: Statement[Any], event: EventData, now: Moment, **values: Any) -> list[Job]:
    """Apply an UPDATE and insert an event for each row; return the jobs as the UPDATE left them.

    The UPDATE itself returns the rows, because another one could change them before a second statement.
    """
    columns = _columns()
    values |= _values_of(event)
    if supports_row_locks(jobs_connection()):
        return JOBS.make(_with_events(update, event.what, event.was, now, columns).fetch(**values))
    jobs = JOBS.make(_returning(update, columns).fetch(**values))
    if jobs:
        _events_alone(event.what, event.was, now).execute(changed_ids=[job.pk for job in jobs], **values)
    return jobs


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
        return [pk for (pk,) in _returning(update_of(rows, changes), "id").fetch()]
    except EmptyResultSet:
        return []


def _apply(
    update: Statement[Any], event: EventData, now: Moment, begin: Statement[Any] | None = None, **values: Any
) -> TransitionResult:
    """Apply an UPDATE, insert an event for each row, and apply the UPDATE ``begin``."""
    values |= _values_of(event)
    if supports_row_locks(jobs_connection()):
        ((ids, begun),) = _with_events(update, event.what, event.was, now, begin=begin).fetch(**values)
        return TransitionResult(won=bool(ids), job_ids=tuple(ids or ()), begun_ids=tuple(begun or ()))
    ids = [pk for (pk,) in _returning(update, "id").fetch(**values)]
    if ids:
        _events_alone(event.what, event.was, now).execute(changed_ids=ids, **values)
    begun = [pk for (pk,) in _returning(begin, "id").fetch(**values)] if begin else []
    return TransitionResult(won=bool(ids), job_ids=tuple(ids), begun_ids=tuple(begun))


def _values_of(event: EventData) -> dict[str, str]:
    actor = event.actor
    return {"actor": str(actor), "request_id": actor.request_id, "note": event.note, "detail": event.detail}


# What is put together once for each transition; the changes that staff ask for are new each time, and soon forgotten.
@lru_cache(maxsize=64)
def _with_events(
    update: Statement[Any],
    what: str,
    was: str | None,
    now: Moment,
    columns: str = "",
    *,
    begin: Statement[Any] | None = None,
) -> Statement[Any]:
    """Return data-modifying CTEs of PostgreSQL: one round trip and one commit. It returns ``columns``, or what won."""

    def write() -> Sql:
        connection = jobs_connection()
        (sql, params), (events, events_params) = update.template(), _events(what, was, now, connection)
        begun, begun_params = begin.template() if begin else ("", ())
        ids = "(SELECT array_agg(id) FROM {})"
        won = f"{ids.format('changed')}, {ids.format('begun') if begin else 'NULL'}"
        whole = (
            f"WITH changed AS ({sql} RETURNING {columns or 'id, status, attempt, worker'}), "  # noqa: S608 – no value
            f"logged AS ({events} FROM changed)"
            f"{f', begun AS ({begun} RETURNING id)' if begin else ''} SELECT "
            f"{f'{columns} FROM changed' if columns else won}"
        )
        return whole, (*params, *events_params, *begun_params)

    return Statement(write)


@lru_cache(maxsize=64)
def _returning(update: Statement[Any], columns: str) -> Statement[Any]:
    def write() -> Sql:
        sql, params = update.template()
        return f"{sql} RETURNING {columns}", params

    return Statement(write)


@lru_cache(maxsize=64)
def _events_alone(what: str, was: str | None, now: Moment) -> Statement[Any]:
    def write() -> Sql:
        connection = jobs_connection()
        (events, params), (among, ids) = _events(what, was, now, connection), compiled(OneOf("changed_ids"), connection)
        return f"{events} FROM {Job._meta.db_table} WHERE {among}", (*params, *ids)

    return Statement(write)


@lru_cache(maxsize=4)
def _begin_of(now: Moment) -> Statement[Any]:
    return update_of(any_fenced(), {"begun_at": now})


@lru_cache(maxsize=4)
def _begin_of_next(now: Moment) -> Statement[Any]:
    """Begin the worker's next job unless its row is locked, as :func:`_begin_of_many` does; one alone costs less."""

    def write() -> Sql | UpdateQuery:
        rows = fenced_rows(Fence(job_id=NEXT_JOB, lease_token=NEXT_TOKEN))
        if not supports_row_locks(jobs_connection()):
            return cast("UpdateQuery", update_of(rows, {"begun_at": now}).write())
        found, params = Statement(lambda: rows.order_by().values_list("pk")).template()
        at, at_params = compiled(now, jobs_connection())
        free = f"{found} FOR NO KEY UPDATE SKIP LOCKED"
        return f"UPDATE {Job._meta.db_table} SET begun_at = {at} WHERE id = ({free})", (*at_params, *params)  # noqa: S608 – no value

    return Statement(write)


@lru_cache(maxsize=4)
def _begin_of_many(now: Moment) -> Statement[Any]:
    """Begin the worker's next jobs unless their rows are locked.

    This is part of the statement that ends jobs, which must not wait for other rows.
    """
    return update_of(many_fenced("next_"), {"begun_at": now})


def _events(what: str, was: str | None, now: Moment, connection: BaseDatabaseWrapper) -> Sql:
    """Return ``INSERT … SELECT`` without its FROM, which must offer id, status, attempt and worker after the change."""
    at, at_params = compiled(now, connection)
    was_sql = "%s" if was else "CASE WHEN worker IS NULL THEN 'scheduled' ELSE 'running' END"
    sql = (
        f"INSERT INTO {JobEvent._meta.db_table} "
        "(job_id, at, what, from_status, to_status, attempt, actor, request_id, note, detail) "
        f"SELECT id, {at}, %s, {was_sql}, status, attempt, %s, %s, %s, %s"
    )
    return sql, (*at_params, str(what), *([str(was)] if was else []), *OF_EVENT)
