"""Every change of a job's status or lease: one guarded UPDATE each, with its event beside it.

A guard names the job, the status it must have and, for whoever runs it, the lease
token; the number of rows that matched says who won. Nothing here opens a
transaction: callers stand in ``engine_statement``, ``engine_transaction`` or
``service_transaction``. ``now`` is the database's clock unless a test hands in an instant.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final, cast
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import models
from django.db.backends.utils import CursorWrapper
from django.db.models import Case, F, When
from django.db.models.functions import Coalesce, Greatest
from django.db.models.sql import UpdateQuery

from .actors import Actor
from .clock import NOW, Moment, after, compiled
from .database import home, supports_row_locks
from .models import Job, JobEvent, JobQuerySet
from .status import Status

What = JobEvent.What
Sql = tuple[str, tuple[Any, ...]]

NO_LEASE: Final[dict[str, Any]] = {"lease_token": None, "lease_expires_at": None}
BACK_IN_LINE: Final[dict[str, Any]] = {"status": Status.SCHEDULED.value, "worker": None, "begun_at": None, **NO_LEASE}


@dataclass(frozen=True, kw_only=True)
class Finish:
    """What a final move did: ``won``, and whether the next job of the same worker ``next_begun``."""

    won: bool
    next_begun: bool = False


@dataclass(frozen=True, kw_only=True)
class Held:
    """A job and the token of the lease it is held by."""

    job_id: int
    lease_token: UUID


Rows = JobQuerySet | Held
# No job: stands in statements that are compiled once, where the real one is filled in.
BLANK: Final = Held(job_id=-1, lease_token=UUID(int=0))


def schedule(job: Job, *, actor: Actor) -> None:
    """Insert a new job and its first event; ``job`` gets its id.

    Raises:
        IntegrityError: a unique action has an active job for the same reference.
    """
    job.save(force_insert=True)
    JobEvent.objects.create(
        job=job,
        at=job.created_at,
        what=What.SCHEDULED,
        to_status=job.status,
        attempt=0,
        actor=str(actor),
        request_id=actor.request_id,
    )


def claim(
    job_ids: Collection[int],
    *,
    lease_token: UUID,
    worker: Actor,
    lease: timedelta,
    begun_ids: Collection[int] = (),
    now: Moment = NOW,
) -> list[Job]:
    """Take those of ``job_ids`` that are still due and free; the jobs of ``begun_ids`` begin at once.

    Rows that another transaction holds are passed over. Never takes a job that is not in ``job_ids``.
    """
    changes = {
        "status": Status.RUNNING.value,
        "lease_token": lease_token,
        "lease_expires_at": after(now, lease),
        "worker": worker.name,
        "attempt": F("attempt") + 1,
        "started_at": Coalesce(F("started_at"), now),
        "begun_at": Case(When(pk__in=list(begun_ids), then=now)) if begun_ids else None,
        "updated_at": now,
    }
    rows = _unlocked(Job.objects.due(now).filter(pk__in=job_ids))
    _move(rows, changes, _Note(what=What.CLAIMED, was=Status.SCHEDULED, actor=worker), now)
    claimed = Job.objects.filter(pk__in=job_ids, lease_token=lease_token, status=Status.RUNNING)
    return list(claimed.order_by("due_at", "pk"))


def begin(held: Held, *, now: Moment = NOW) -> bool:
    """Note that the action is entered now; False: the job is no longer this worker's."""
    return _held(held).update(begun_at=now) == 1


def renew(jobs: Collection[Held], *, lease: timedelta, now: Moment = NOW) -> None:
    """Extend the leases of those jobs that nobody has locked; a locked row is alive, and a lease never shrinks."""
    ids = [held.job_id for held in jobs]
    tokens = {held.lease_token for held in jobs}
    rows = Job.objects.filter(pk__in=ids, status=Status.RUNNING, lease_token__in=tokens)
    _unlocked(rows).update(lease_expires_at=Greatest(F("lease_expires_at"), after(now, lease)))


def hold(held: Held, *, lease: timedelta, now: Moment = NOW) -> bool:
    """Prove the fence and lock the row until the transaction ends; renews the lease. False: not ours."""
    return _held(held).update(lease_expires_at=Greatest(F("lease_expires_at"), after(now, lease))) == 1


def record(held: Held, *, receipt: dict[str, Any], done: int, total: int | None, lease: timedelta) -> bool:
    """Store what the chunk did, in the chunk's transaction; ``done`` and ``total`` are the new values."""
    changes = {"receipt": receipt, "progress_done": done, "progress_total": total, "progress_at": NOW}
    expires_at = Greatest(F("lease_expires_at"), after(NOW, lease))
    return _held(held).update(lease_expires_at=expires_at, **changes) == 1


def complete(held: Held, *, worker: Actor, then: Held | None = None, now: Moment = NOW) -> Finish:
    """Record success, unless the job was cancelled or its lease passed on; begin ``then`` in the same commit."""
    changes = {"status": Status.COMPLETED.value, "finished_at": now, "updated_at": now, **NO_LEASE}
    return _move(held, changes, _Note(what=What.COMPLETED, was=Status.RUNNING, actor=worker), now, then)


def fail(
    held: Held, *, errors: str, worker: Actor, detail: str = "", then: Held | None = None, now: Moment = NOW
) -> Finish:
    """Record a final failure; ``errors`` is what integrators read, ``detail`` what staff may."""
    changes = {
        "status": Status.FAILED.value,
        "errors": errors,
        "failures": F("failures") + 1,
        "finished_at": now,
        "updated_at": now,
        **NO_LEASE,
    }
    note = _Note(what=What.FAILED, was=Status.RUNNING, actor=worker, note=errors, detail=detail)
    return _move(_held(held), changes, note, now, then)


def retry_later(
    held: Held, *, wait: timedelta, errors: str, worker: Actor, detail: str = "", now: Moment = NOW
) -> Finish:
    """Put a job whose attempt failed back in line, to be claimed after ``wait``; counts a failure."""
    changes = {**BACK_IN_LINE, "failures": F("failures") + 1, "due_at": after(now, wait), "updated_at": now}
    note = _Note(what=What.RETRYING, was=Status.RUNNING, actor=worker, note=errors, detail=detail)
    return _move(_held(held), changes, note, now)


def release(held: Held, *, worker: Actor, note: str, wait: timedelta = timedelta(0), now: Moment = NOW) -> Finish:
    """Hand a claimed job back unharmed: no failure and no crash is counted."""
    changes = {**BACK_IN_LINE, "updated_at": now}
    if wait:
        changes["due_at"] = after(now, wait)
    return _move(_held(held), changes, _Note(what=What.RELEASED, was=Status.RUNNING, actor=worker, note=note), now)


def rescue(held: Held, *, seen: datetime, begun: bool, note: str, actor: Actor, now: Moment = NOW) -> bool:
    """Put a job back in line whose lease still ends at ``seen``; a crash counts only if it had begun."""
    changes = {**BACK_IN_LINE, "crashes": F("crashes") + int(begun), "updated_at": now}
    event = _Note(what=What.RESCUED, was=Status.RUNNING, actor=actor, note=note)
    return _move(_abandoned(held, seen=seen), changes, event, now).won


def give_up(held: Held, *, seen: datetime, errors: str, actor: Actor, now: Moment = NOW) -> bool:
    """Fail a job whose lease still ends at ``seen`` and whose workers have died once too often."""
    changes = {
        "status": Status.FAILED.value,
        "errors": errors,
        "crashes": F("crashes") + 1,
        "finished_at": now,
        "updated_at": now,
        **NO_LEASE,
    }
    event = _Note(what=What.FAILED, was=Status.RUNNING, actor=actor, note=errors)
    return _move(_abandoned(held, seen=seen), changes, event, now).won


def cancel(job_id: int, *, project: models.Model, actor: Actor, reason: str = "", now: Moment = NOW) -> bool:
    """Cancel a job that waits or runs. It waits for a running chunk; afterwards none commits."""
    changes = {"status": Status.CANCELLED.value, "finished_at": now, "updated_at": now, **NO_LEASE}
    event = _Note(what=What.CANCELLED, was=None, actor=actor, note=reason)
    return _move(Job.objects.active().filter(pk=job_id, project=project.pk), changes, event, now).won


# ---------------------------------------------------------------- how a move is written


@dataclass(frozen=True, kw_only=True)
class _Note:
    """The event of a move; ``was`` None: scheduled or running, told by ``worker`` (null exactly while scheduled)."""

    what: JobEvent.What
    was: Status | None
    actor: Actor
    note: str = ""
    detail: str = ""


def _held(held: Held) -> JobQuerySet:
    return Job.objects.filter(pk=held.job_id, status=Status.RUNNING, lease_token=held.lease_token)


def _abandoned(held: Held, *, seen: datetime) -> JobQuerySet:
    """The job if its lease was not renewed since it was ``seen``; locked rows are alive.

    A renewal moves the expiry by seconds, so a millisecond's leeway is safe; databases
    round instants differently.
    """
    return _unlocked(_held(held).filter(lease_expires_at__lte=seen + timedelta(milliseconds=1)))


def _unlocked(rows: JobQuerySet) -> JobQuerySet:
    """Lock those rows that nobody else has locked, by ascending id, and return them.

    ``no_key``: foreign-key inserts of others are not held up. Without row locks the rows
    are returned as they are, so that the transaction starts with its write.
    """
    if not supports_row_locks(home()):
        return rows
    locked = rows.select_for_update(skip_locked=True, no_key=True).order_by("pk")
    return rows.filter(pk__in=list(locked.values_list("pk", flat=True)))


def _move(rows: Rows, changes: dict[str, Any], note: _Note, now: Moment, then: Held | None = None) -> Finish:
    """Apply ``changes`` to ``rows``, write an event for each, and begin ``then``."""
    connection = home()
    try:
        update, events = _compiled_update(rows, changes), _compiled_events(note, now)
    except EmptyResultSet:  # no row is left to move: others have locked them all
        return Finish(won=False, next_begun=then is not None and begin(then, now=now))
    with connection.cursor() as cursor:
        if supports_row_locks(connection):
            start = _compiled_update(then, {"begun_at": now}) if then else None
            return _move_at_once(cursor, update, events, start)
        cursor.execute(f"{update[0]} RETURNING id", update[1])
        ids = [row[0] for row in cursor.fetchall()]
        marks = ", ".join(["%s"] * len(ids))
        cursor.execute(f"{events[0]} FROM {Job._meta.db_table} WHERE id IN ({marks})", (*events[1], *ids))
    return Finish(won=bool(ids), next_begun=then is not None and begin(then, now=now))


def _move_at_once(cursor: CursorWrapper, update: Sql, events: Sql, start: Sql | None) -> Finish:
    """The same as one statement (data-modifying CTEs of PostgreSQL): one round trip, one commit."""
    begun, begun_params = (f", begun AS ({start[0]} RETURNING 1)", start[1]) if start else ("", ())
    sql = (
        f"WITH moved AS ({update[0]} RETURNING id, status, attempt, worker), "  # noqa: S608 – parts the ORM compiled
        f"noted AS ({events[0]} FROM moved){begun} "
        f"SELECT (SELECT count(*) FROM moved), {'(SELECT count(*) FROM begun)' if start else '0'}"
    )
    cursor.execute(sql, (*update[1], *events[1], *begun_params))
    moved, began = cursor.fetchone()
    return Finish(won=moved > 0, next_begun=began > 0)


def _compiled_update(rows: Rows, changes: dict[str, Any]) -> Sql:
    """Return the UPDATE that the ORM writes; for a held job it writes it once, as that takes as long as running it."""
    if isinstance(rows, Held):
        sql, params = _compiled_blank(home().vendor, tuple(changes.items()))
        filled = {BLANK.job_id: rows.job_id, _for_driver(BLANK.lease_token): _for_driver(rows.lease_token)}
        return sql, tuple(filled.get(param, param) for param in params)
    query = cast("UpdateQuery", rows.query.chain(UpdateQuery))
    query.add_update_values(changes)
    sql, params = query.get_compiler(connection=home()).as_sql()
    return sql, tuple(params)


@lru_cache(maxsize=16)
def _compiled_blank(vendor: str, changes: tuple[tuple[str, Any], ...]) -> Sql:
    return _compiled_update(_held(BLANK), dict(changes))


def _for_driver(token: UUID) -> Any:
    return Job._meta.get_field("lease_token").get_db_prep_value(token, home())


def _compiled_events(note: _Note, now: Moment) -> Sql:
    """Return ``INSERT … SELECT`` up to its FROM, which must offer id, status, attempt and worker of the moved rows."""
    at, at_params = compiled(now, home())
    was = "%s" if note.was else "CASE WHEN worker IS NULL THEN 'scheduled' ELSE 'running' END"
    sql = (
        f"INSERT INTO {JobEvent._meta.db_table} "
        "(job_id, at, what, from_status, to_status, attempt, actor, request_id, note, detail) "
        f"SELECT id, {at}, %s, {was}, status, attempt, %s, %s, %s, %s"
    )
    was_params = (note.was.value,) if note.was else ()
    actor = (str(note.actor), note.actor.request_id)
    return sql, (*at_params, note.what.value, *was_params, *actor, note.note, note.detail)
