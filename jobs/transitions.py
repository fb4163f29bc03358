"""Every change of a job's status or lease: one guarded UPDATE each, with its event beside it.

A guard names the job, the status it must have and, for whoever runs it, the lease
token; the number of rows that matched says who won. Nothing here opens a
transaction: callers stand in ``engine_statement``, ``engine_transaction`` or
``service_transaction``. ``now`` is the database's clock unless a test hands in an instant.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import models
from django.db.models import Case, F, When
from django.db.models.functions import Coalesce, Greatest

from .actors import Actor
from .clock import NOW, Moment, after
from .database import home, supports_row_locks
from .models import Job, JobEvent, JobQuerySet
from .moves import (
    BLANK,
    BLANK_WORKER,
    Finish,
    Held,
    Note,
    compiled_claim,
    filled,
    held_rows,
    move,
    move_compiled,
    update_returning,
)
from .status import Status

What = JobEvent.What

NO_LEASE: Final[dict[str, Any]] = {"lease_token": None, "lease_expires_at": None}
BACK_IN_LINE: Final[dict[str, Any]] = {"status": Status.SCHEDULED.value, "worker": None, "begun_at": None, **NO_LEASE}


def schedule_many(jobs: Sequence[Job], *, actor: Actor) -> None:
    """Insert new jobs in the given order, and the first event of each; the jobs get their ids.

    One statement for the rows and one for the events, or more where the database takes fewer values at once.

    Raises:
        IntegrityError: a unique action has an active job for the same reference, or the call was made before.
    """
    Job.objects.bulk_create(jobs)
    JobEvent.objects.bulk_create(
        JobEvent(
            job=job,
            at=job.created_at,
            what=What.SCHEDULED,
            to_status=job.status,
            attempt=0,
            actor=str(actor),
            request_id=actor.request_id,
        )
        for job in jobs
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
    changes = _claimed(lease_token, worker.name, lease, now)
    changes["begun_at"] = Case(When(pk__in=list(begun_ids), then=now)) if begun_ids else None
    rows = _unlocked(Job.objects.due(now).filter(pk__in=job_ids))
    move(rows, changes, Note(what=What.CLAIMED, was=Status.SCHEDULED, actor=worker), now)
    claimed = Job.objects.filter(pk__in=job_ids, lease_token=lease_token, status=Status.RUNNING)
    return list(claimed.order_by("due_at", "pk"))


def claim_one(job_id: int, *, lease_token: UUID, worker: Actor, lease: timedelta, now: Moment = NOW) -> bool:
    """Take one job if it is due and free, and begin it; a rival who is taking it is awaited, and goes first."""
    note = Note(what=What.CLAIMED, was=Status.SCHEDULED, actor=worker)
    if now is NOW:
        blank = _claimed(BLANK.lease_token, BLANK_WORKER, lease, now)
        update = compiled_claim(home().vendor, (*blank.items(), ("begun_at", now)))
        held = Held(job_id=job_id, lease_token=lease_token)
        return move_compiled(filled(update, held, worker.name), note, now).won
    changes = {**_claimed(lease_token, worker.name, lease, now), "begun_at": now}
    return move(Job.objects.due(now).filter(pk=job_id), changes, note, now).won


def reserve(job_ids: Collection[int], *, wait: timedelta, now: Moment = NOW) -> list[int]:
    """Keep those of ``job_ids`` that are due and free from other dispatchers for ``wait``; return which these are.

    Changes nothing that anybody sees, so there is no event; a claim ends it.
    """
    rows = _unlocked(Job.objects.due(now).unreserved(now).filter(pk__in=job_ids))
    return update_returning(rows, {"reserved_until": after(now, wait)})


def unreserve(job_ids: Collection[int]) -> None:
    """Let jobs that still wait be handed over again at once; rows that are locked are being claimed or cancelled."""
    rows = Job.objects.filter(pk__in=job_ids, status=Status.SCHEDULED, reserved_until__isnull=False)
    update_returning(_unlocked(rows), {"reserved_until": None})


def begin(held: Held, *, now: Moment = NOW) -> bool:
    """Note that the action is entered now; False: the job is no longer this worker's."""
    return held_rows(held).update(begun_at=now) == 1


def renew(jobs: Collection[Held], *, lease: timedelta, now: Moment = NOW) -> None:
    """Extend the leases of those jobs that nobody has locked; a locked row is alive, and a lease never shrinks."""
    ids = [held.job_id for held in jobs]
    tokens = {held.lease_token for held in jobs}
    rows = Job.objects.filter(pk__in=ids, status=Status.RUNNING, lease_token__in=tokens)
    _unlocked(rows).update(lease_expires_at=Greatest(F("lease_expires_at"), after(now, lease)))


def hold(held: Held, *, lease: timedelta, now: Moment = NOW) -> bool:
    """Prove the fence and lock the row until the transaction ends; renews the lease. False: not ours."""
    return held_rows(held).update(lease_expires_at=Greatest(F("lease_expires_at"), after(now, lease))) == 1


def record(held: Held, *, receipt: dict[str, Any], done: int, total: int | None, lease: timedelta) -> bool:
    """Store what the chunk did, in the chunk's transaction; ``done`` and ``total`` are the new values."""
    changes = {"receipt": receipt, "progress_done": done, "progress_total": total, "progress_at": NOW}
    expires_at = Greatest(F("lease_expires_at"), after(NOW, lease))
    return held_rows(held).update(lease_expires_at=expires_at, **changes) == 1


def complete(held: Held, *, worker: Actor, then: Held | None = None, now: Moment = NOW) -> Finish:
    """Record success, unless the job was cancelled or its lease passed on; begin ``then`` in the same commit."""
    changes = {"status": Status.COMPLETED.value, "finished_at": now, "updated_at": now, **NO_LEASE}
    return move(held, changes, Note(what=What.COMPLETED, was=Status.RUNNING, actor=worker), now, then)


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
    note = Note(what=What.FAILED, was=Status.RUNNING, actor=worker, note=errors, detail=detail)
    return move(held_rows(held), changes, note, now, then)


def retry_later(
    held: Held, *, wait: timedelta, errors: str, worker: Actor, detail: str = "", now: Moment = NOW
) -> Finish:
    """Put a job whose attempt failed back in line, to be claimed after ``wait``; counts a failure."""
    changes = {**BACK_IN_LINE, "failures": F("failures") + 1, "due_at": after(now, wait), "updated_at": now}
    note = Note(what=What.RETRYING, was=Status.RUNNING, actor=worker, note=errors, detail=detail)
    return move(held_rows(held), changes, note, now)


def release(held: Held, *, worker: Actor, note: str, wait: timedelta = timedelta(0), now: Moment = NOW) -> Finish:
    """Hand a claimed job back unharmed: no failure and no crash is counted."""
    changes = {**BACK_IN_LINE, "updated_at": now}
    if wait:
        changes["due_at"] = after(now, wait)
    return move(held_rows(held), changes, Note(what=What.RELEASED, was=Status.RUNNING, actor=worker, note=note), now)


def rescue(held: Held, *, seen: datetime, begun: bool, note: str, actor: Actor, now: Moment = NOW) -> bool:
    """Put a job back in line whose lease still ends at ``seen``; a crash counts only if it had begun."""
    changes = {**BACK_IN_LINE, "crashes": F("crashes") + int(begun), "updated_at": now}
    event = Note(what=What.RESCUED, was=Status.RUNNING, actor=actor, note=note)
    return move(_abandoned(held, seen=seen), changes, event, now).won


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
    event = Note(what=What.FAILED, was=Status.RUNNING, actor=actor, note=errors)
    return move(_abandoned(held, seen=seen), changes, event, now).won


def cancel(job_id: int, *, project: models.Model, actor: Actor, reason: str = "", now: Moment = NOW) -> bool:
    """Cancel a job that waits or runs. It waits for a running chunk; afterwards none commits."""
    changes = {"status": Status.CANCELLED.value, "finished_at": now, "updated_at": now, **NO_LEASE}
    event = Note(what=What.CANCELLED, was=None, actor=actor, note=reason)
    return move(Job.objects.active().filter(pk=job_id, project=project.pk), changes, event, now).won


def _claimed(lease_token: UUID, worker: str, lease: timedelta, now: Moment) -> dict[str, Any]:
    return {
        "status": Status.RUNNING.value,
        "lease_token": lease_token,
        "lease_expires_at": after(now, lease),
        "worker": worker,
        "attempt": F("attempt") + 1,
        "started_at": Coalesce(F("started_at"), now),
        "reserved_until": None,
        "updated_at": now,
    }


def _abandoned(held: Held, *, seen: datetime) -> JobQuerySet:
    """The job if its lease was not renewed since it was ``seen``; locked rows are alive.

    A renewal moves the expiry by seconds, so a millisecond's leeway is safe; databases
    round instants differently.
    """
    return _unlocked(held_rows(held).filter(lease_expires_at__lte=seen + timedelta(milliseconds=1)))


def _unlocked(rows: JobQuerySet) -> JobQuerySet:
    """Lock those rows that nobody else has locked, by ascending id, and return them.

    ``no_key``: foreign-key inserts of others are not held up. Without row locks the rows
    are returned as they are, so that the transaction starts with its write.
    """
    if not supports_row_locks(home()):
        return rows
    locked = rows.select_for_update(skip_locked=True, no_key=True).order_by("pk")
    return rows.filter(pk__in=list(locked.values_list("pk", flat=True)))
