"""How a move is written: a guarded UPDATE and its events, on PostgreSQL in one statement.

The moves themselves, and who may make them when, are in ``transitions``.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final, cast
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db.backends.utils import CursorWrapper
from django.db.models.sql import UpdateQuery

from ..actors import Actor
from ..db.clock import Moment, compiled
from ..db.connection import jobs_connection, supports_row_locks
from ..models import Job, JobEvent, JobQuerySet
from ..models.locks import unlocked
from ..status import Status

Sql = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True, kw_only=True)
class TransitionResult:
    """What a move did: ``won``, the ids ``moved``, and whether the next job of the same worker is ``next_begun``."""

    won: bool
    next_begun: bool = False
    moved: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Fence:
    """A job and the token of the lease it is held by."""

    job_id: int
    lease_token: UUID


Rows = JobQuerySet | Fence
# No job: stands in statements that are compiled once, where the real one is filled in.
BLANK: Final = Fence(job_id=-1, lease_token=UUID(int=0))
BLANK_WORKER: Final = "\N{WHITE SQUARE}"


@dataclass(frozen=True, kw_only=True)
class EventData:
    """The event of a move; ``was`` None: scheduled or running, told by ``worker`` (null exactly while scheduled)."""

    what: JobEvent.What
    was: Status | None
    actor: Actor
    note: str = ""
    detail: str = ""


def fenced_rows(fence: Fence) -> JobQuerySet:
    """The job while it is held by this lease."""
    return Job.objects.filter(pk=fence.job_id, status=Status.RUNNING, lease_token=fence.lease_token)


def expired_rows(fence: Fence, *, seen: datetime) -> JobQuerySet:
    """The job if its lease was not renewed since it was ``seen``; locked rows are alive.

    A renewal moves the expiry by seconds, so a millisecond's leeway is safe; databases
    round instants differently.
    """
    return unlocked(fenced_rows(fence).filter(lease_expires_at__lte=seen + timedelta(milliseconds=1)))


def move(
    rows: Rows, changes: dict[str, Any], note: EventData, now: Moment, then: Fence | None = None
) -> TransitionResult:
    """Apply ``changes`` to ``rows``, write an event for each, and begin ``then``."""
    try:
        update = _compiled_update(rows, changes)
    except EmptyResultSet:  # no row is left to move: others have locked them all
        return TransitionResult(won=False, next_begun=_begin(then, now))
    return _move(update, note, now, then)


def claim_due(fence: Fence, changes: dict[str, Any], note: EventData, now: Moment) -> Job | None:
    """Apply ``changes``, in which ``BLANK`` and ``BLANK_WORKER`` stand for ``held`` and the actor, to a job if due.

    Return it as the move left it: whoever read it afterwards could find it cancelled already.
    """
    blank = _compiled_claim(jobs_connection().vendor, tuple(changes.items()))
    update, events = _filled(blank, fence, note.actor.name), _compiled_events(note, now)
    if supports_row_locks(jobs_connection()):
        parts = f"moved AS ({update[0]} RETURNING *), noted AS ({events[0]} FROM moved)"
        sql = f"WITH {parts} SELECT * FROM moved"  # noqa: S608 – parts the ORM compiled
        return next(iter(Job.objects.raw(sql, (*update[1], *events[1]))), None)
    job = next(iter(Job.objects.raw(f"{update[0]} RETURNING *", update[1])), None)
    if job is not None:
        with jobs_connection().cursor() as cursor:
            cursor.execute(f"{events[0]} FROM {Job._meta.db_table} WHERE id = %s", (*events[1], job.pk))
    return job


def _move(update: Sql, note: EventData, now: Moment, then: Fence | None) -> TransitionResult:
    connection, events = jobs_connection(), _compiled_events(note, now)
    with connection.cursor() as cursor:
        if supports_row_locks(connection):
            return _move_at_once(cursor, update, events, _compiled_start(then, now) if then else None)
        cursor.execute(f"{update[0]} RETURNING id", update[1])
        ids = [row[0] for row in cursor.fetchall()]
        marks = ", ".join(["%s"] * len(ids))
        cursor.execute(f"{events[0]} FROM {Job._meta.db_table} WHERE id IN ({marks})", (*events[1], *ids))
    return TransitionResult(won=bool(ids), next_begun=_begin(then, now), moved=tuple(ids))


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


def _move_at_once(cursor: CursorWrapper, update: Sql, events: Sql, start: Sql | None) -> TransitionResult:
    """The same as one statement (data-modifying CTEs of PostgreSQL): one round trip, one commit."""
    begun, begun_params = (f", begun AS ({start[0]} RETURNING 1)", start[1]) if start else ("", ())
    sql = (
        f"WITH moved AS ({update[0]} RETURNING id, status, attempt, worker), "  # noqa: S608 – parts the ORM compiled
        f"noted AS ({events[0]} FROM moved){begun} "
        f"SELECT (SELECT array_agg(id) FROM moved), {'(SELECT count(*) FROM begun)' if start else '0'}"
    )
    cursor.execute(sql, (*update[1], *events[1], *begun_params))
    moved, began = cursor.fetchone()
    return TransitionResult(won=bool(moved), next_begun=began > 0, moved=tuple(moved or ()))


def _compiled_start(fence: Fence, now: Moment) -> Sql:
    """Return the UPDATE that begins a job, unless its row is locked: a finish waits for no second row."""
    at, at_params = compiled(now, jobs_connection())
    table = Job._meta.db_table
    sql = (
        f"UPDATE {table} SET begun_at = {at} WHERE id = (SELECT id FROM {table} "  # noqa: S608 – no value is in it
        "WHERE id = %s AND status = 'running' AND lease_token = %s FOR NO KEY UPDATE SKIP LOCKED)"
    )
    return sql, (*at_params, fence.job_id, _for_driver(fence.lease_token))


def _compiled_update(rows: Rows, changes: dict[str, Any]) -> Sql:
    """Return the UPDATE that the ORM writes; for a held job it writes it once, as that takes as long as running it."""
    if isinstance(rows, Fence):
        return _filled(_compiled_blank(jobs_connection().vendor, tuple(changes.items())), rows)
    query = cast("UpdateQuery", rows.query.chain(UpdateQuery))
    query.add_update_values(changes)
    sql, params = query.get_compiler(connection=jobs_connection()).as_sql()
    return sql, tuple(params)


def _filled(update: Sql, fence: Fence, worker: str = "") -> Sql:
    """Return a statement that was compiled with blanks with the real job, token and worker in their places."""
    sql, params = update
    real = {BLANK.job_id: fence.job_id, _for_driver(BLANK.lease_token): _for_driver(fence.lease_token)}
    real[BLANK_WORKER] = worker
    return sql, tuple(real.get(param, param) for param in params)


@lru_cache(maxsize=16)
def _compiled_claim(vendor: str, changes: tuple[tuple[str, Any], ...]) -> Sql:
    """Return the UPDATE that takes a due job, with blanks; the ORM takes longer to write it than a short job runs."""
    return _compiled_update(Job.objects.due().filter(pk=BLANK.job_id), dict(changes))


@lru_cache(maxsize=16)
def _compiled_blank(vendor: str, changes: tuple[tuple[str, Any], ...]) -> Sql:
    return _compiled_update(fenced_rows(BLANK), dict(changes))


def _for_driver(token: UUID) -> Any:
    return Job._meta.get_field("lease_token").get_db_prep_value(token, jobs_connection())


def _compiled_events(note: EventData, now: Moment) -> Sql:
    """Return ``INSERT … SELECT`` up to its FROM, which must offer id, status, attempt and worker of the moved rows."""
    at, at_params = compiled(now, jobs_connection())
    was = "%s" if note.was else "CASE WHEN worker IS NULL THEN 'scheduled' ELSE 'running' END"
    sql = (
        f"INSERT INTO {JobEvent._meta.db_table} "
        "(job_id, at, what, from_status, to_status, attempt, actor, request_id, note, detail) "
        f"SELECT id, {at}, %s, {was}, status, attempt, %s, %s, %s, %s"
    )
    was_params = (note.was.value,) if note.was else ()
    actor = (str(note.actor), note.actor.request_id)
    return sql, (*at_params, note.what.value, *was_params, *actor, note.note, note.detail)
