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

from ..actors import Actor
from ..db.clock import NOW, Moment, after
from ..models import Job, JobEvent, JobQuerySet
from ..models.locks import unlocked
from ..status import Status
from .statements import (
    BLANK,
    BLANK_WORKER,
    EventData,
    Fence,
    TransitionResult,
    claim_due,
    expired_rows,
    fenced_rows,
    move,
)

What = JobEvent.What

NO_LEASE: Final[dict[str, Any]] = {"lease_token": None, "lease_expires_at": None}
BACK_TO_SCHEDULED: Final[dict[str, Any]] = {
    "status": Status.SCHEDULED.value,
    "worker": None,
    "begun_at": None,
    **NO_LEASE,
}


def schedule_many(jobs: Sequence[Job], *, actor: Actor, note: str = "") -> None:
    """Insert new jobs in the given order, and the first event of each, with ``note``; the jobs get their ids.

    One statement for the rows and one for the events, or more where the database takes fewer values at once.

    Raises:
        IntegrityError: a unique action has an active job for the same reference, the call was made before, or the
            job that one of them tries again (``retry_of``) has a retry.
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
            note=note,
        )
        for job in jobs
    )


def schedule_retries(retries: Sequence[Job], *, actor: Actor, reason: str = "") -> None:
    """Insert jobs that try failed ones again (``retry_of``), and tell so in the events of both; the failed rows stay.

    Raises:
        IntegrityError: as in :func:`schedule_many`.
    """
    schedule_many(retries, actor=actor, note=reason)
    JobEvent.objects.bulk_create(
        JobEvent(
            job=failed,
            at=retry.created_at,
            what=What.RETRIED,
            from_status=failed.status,
            to_status=failed.status,
            attempt=failed.attempt,
            actor=str(actor),
            request_id=actor.request_id,
            note=f"Job {retry.pk} tries it again.",
        )
        for retry in retries
        for failed in [retry.retry_of]
        if failed is not None
    )


def import_many(jobs: Sequence[Job], *, actor: Actor) -> None:
    """Insert jobs that came to be elsewhere, with their ids and as they stand: waiting, or ended; and their events.

    Raises:
        IntegrityError: an id is taken, or a unique action has an active job for the same reference.
    """
    Job.objects.bulk_create(jobs)
    waiting = Status.SCHEDULED.value
    created = [
        JobEvent(job=job, at=job.created_at, what=What.SCHEDULED, to_status=waiting, attempt=0, actor=str(actor))
        for job in jobs
    ]
    ended = [
        JobEvent(
            job=job,
            at=job.finished_at or job.created_at,
            what=What(job.status),
            from_status=waiting,
            to_status=job.status,
            attempt=0,
            actor=str(actor),
        )
        for job in jobs
        if Status(job.status).is_final
    ]
    JobEvent.objects.bulk_create([*created, *ended])


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
    rows = unlocked(Job.objects.due(now).filter(pk__in=job_ids))
    move(rows, changes, EventData(what=What.CLAIMED, was=Status.SCHEDULED, actor=worker), now)
    claimed = Job.objects.filter(pk__in=job_ids, lease_token=lease_token, status=Status.RUNNING)
    return list(claimed.order_by("due_at", "pk"))


def claim_one(job_id: int, *, lease_token: UUID, worker: Actor, lease: timedelta) -> Job | None:
    """Take one job if it is due and free, begin and return it; a rival who is taking it is awaited, and goes first."""
    blank = {**_claimed(BLANK.lease_token, BLANK_WORKER, lease, NOW), "begun_at": NOW}
    fence = Fence(job_id=job_id, lease_token=lease_token)
    return claim_due(fence, blank, EventData(what=What.CLAIMED, was=Status.SCHEDULED, actor=worker), NOW)


def begin(fence: Fence, *, now: Moment = NOW) -> bool:
    """Note that the action is entered now; False: the job is no longer this worker's."""
    return fenced_rows(fence).update(begun_at=now) == 1


def renew(jobs: Collection[Fence], *, lease: timedelta, now: Moment = NOW) -> None:
    """Extend the leases of those jobs that nobody has locked; a locked row is alive, and a lease never shrinks."""
    ids = [fence.job_id for fence in jobs]
    tokens = {fence.lease_token for fence in jobs}
    rows = Job.objects.filter(pk__in=ids, status=Status.RUNNING, lease_token__in=tokens)
    unlocked(rows).update(lease_expires_at=Greatest(F("lease_expires_at"), after(now, lease)))


def prove_fence(fence: Fence, *, lease: timedelta, now: Moment = NOW) -> bool:
    """Prove the fence and lock the row until the transaction ends; renews the lease. False: not ours."""
    return fenced_rows(fence).update(lease_expires_at=Greatest(F("lease_expires_at"), after(now, lease))) == 1


def record(fence: Fence, *, receipt: dict[str, Any], done: int, total: int | None, lease: timedelta) -> bool:
    """Store what the chunk did, in the chunk's transaction; ``done`` and ``total`` are the new values."""
    changes = {"receipt": receipt, "progress_done": done, "progress_total": total, "progress_at": NOW}
    expires_at = Greatest(F("lease_expires_at"), after(NOW, lease))
    return fenced_rows(fence).update(lease_expires_at=expires_at, **changes) == 1


def complete(fence: Fence, *, worker: Actor, then: Fence | None = None, now: Moment = NOW) -> TransitionResult:
    """Record success, unless the job was cancelled or its lease passed on; begin ``then`` in the same commit."""
    return move(
        fence,
        _ended(Status.COMPLETED, now),
        EventData(what=What.COMPLETED, was=Status.RUNNING, actor=worker),
        now,
        then,
    )


def fail(
    fence: Fence, *, errors: str, worker: Actor, detail: str = "", then: Fence | None = None, now: Moment = NOW
) -> TransitionResult:
    """Record a final failure; ``errors`` is what integrators read, ``detail`` what staff may."""
    changes = {**_ended(Status.FAILED, now), "errors": errors, "failures": F("failures") + 1}
    note = EventData(what=What.FAILED, was=Status.RUNNING, actor=worker, note=errors, detail=detail)
    return move(fenced_rows(fence), changes, note, now, then)


def retry_later(
    fence: Fence, *, wait: timedelta, errors: str, worker: Actor, detail: str = "", now: Moment = NOW
) -> TransitionResult:
    """Put a job whose attempt failed back in line, to be claimed after ``wait``; counts a failure."""
    changes = {**BACK_TO_SCHEDULED, "failures": F("failures") + 1, "due_at": after(now, wait), "updated_at": now}
    note = EventData(what=What.RETRYING, was=Status.RUNNING, actor=worker, note=errors, detail=detail)
    return move(fenced_rows(fence), changes, note, now)


def release(
    fence: Fence, *, worker: Actor, note: str, wait: timedelta = timedelta(0), now: Moment = NOW
) -> TransitionResult:
    """Hand a claimed job back unharmed: no failure and no crash is counted."""
    changes = {**BACK_TO_SCHEDULED, "updated_at": now}
    if wait:
        changes["due_at"] = after(now, wait)
    return move(
        fenced_rows(fence), changes, EventData(what=What.RELEASED, was=Status.RUNNING, actor=worker, note=note), now
    )


def rescue(fence: Fence, *, seen: datetime, begun: bool, note: str, actor: Actor, now: Moment = NOW) -> bool:
    """Put a job back in line whose lease still ends at ``seen``; a crash counts only if it had begun."""
    changes = {**BACK_TO_SCHEDULED, "crashes": F("crashes") + int(begun), "updated_at": now}
    event = EventData(what=What.RESCUED, was=Status.RUNNING, actor=actor, note=note)
    return move(expired_rows(fence, seen=seen), changes, event, now).won


def give_up(fence: Fence, *, seen: datetime, errors: str, actor: Actor, now: Moment = NOW) -> bool:
    """Fail a job whose lease still ends at ``seen`` and whose workers have died once too often."""
    changes = {**_ended(Status.FAILED, now), "errors": errors, "crashes": F("crashes") + 1}
    event = EventData(what=What.FAILED, was=Status.RUNNING, actor=actor, note=errors)
    return move(expired_rows(fence, seen=seen), changes, event, now).won


def cancel(job_id: int, *, project: models.Model, actor: Actor, reason: str = "", now: Moment = NOW) -> bool:
    """Cancel a job that waits or runs. It waits for a running chunk; afterwards none commits."""
    return _cancel(Job.objects.active().filter(pk=job_id, project=project.pk), actor, reason, now).won


def cancel_many(job_ids: Collection[int], *, actor: Actor, reason: str = "", now: Moment = NOW) -> list[int]:
    """Cancel those of the jobs that wait or run and that nobody has locked, as a chunk does; return their ids."""
    rows = unlocked(Job.objects.active().filter(pk__in=job_ids))
    return sorted(_cancel(rows, actor, reason, now).moved)


def hold(job_id: int, *, project: models.Model, actor: Actor, reason: str = "", now: Moment = NOW) -> bool:
    """Let a job that waits, due or not, wait until it is resumed; no claim looks at it meanwhile."""
    rows = Job.objects.waiting().filter(pk=job_id, project=project.pk)
    event = EventData(what=What.HELD, was=Status.SCHEDULED, actor=actor, note=reason)
    # An engine that was told of it finds nothing to do; once resumed, it is handed over afresh.
    return move(rows, {"held_at": now, "reserved_until": None, "updated_at": now}, event, now).won


def resume(job_id: int, *, project: models.Model, actor: Actor, reason: str = "", now: Moment = NOW) -> bool:
    """Let a job that is held be claimed from its start on, which may be long past."""
    rows = Job.objects.held().filter(pk=job_id, project=project.pk)
    event = EventData(what=What.RESUMED, was=Status.SCHEDULED, actor=actor, note=reason)
    changes = {"held_at": None, "due_at": Greatest(F("start_at"), now), "updated_at": now}
    return move(rows, changes, event, now).won


def advance(job_id: int, *, project: models.Model, actor: Actor, reason: str = "", now: Moment = NOW) -> bool:
    """Let a job that waits for an instant, and that nobody holds, be claimed now."""
    rows = _not_yet_due(now).filter(pk=job_id, project=project.pk)
    return _advance(rows, actor, reason, now).won


def advance_many(job_ids: Collection[int], *, actor: Actor, reason: str = "", now: Moment = NOW) -> list[int]:
    """The same for those of the jobs that nobody has locked; return the ids of those that waited for an instant."""
    rows = unlocked(_not_yet_due(now).filter(pk__in=job_ids))
    return sorted(_advance(rows, actor, reason, now).moved)


def _cancel(rows: JobQuerySet, actor: Actor, reason: str, now: Moment) -> TransitionResult:
    changes = {**_ended(Status.CANCELLED, now), "held_at": None}
    return move(rows, changes, EventData(what=What.CANCELLED, was=None, actor=actor, note=reason), now)


def _advance(rows: JobQuerySet, actor: Actor, reason: str, now: Moment) -> TransitionResult:
    event = EventData(what=What.ADVANCED, was=Status.SCHEDULED, actor=actor, note=reason)
    return move(rows, {"due_at": now, "updated_at": now}, event, now)


def _not_yet_due(now: Moment) -> JobQuerySet:
    """Compare with the clock itself: who waited for a like step to commit must see that the job is due since then."""
    return Job.objects.waiting().filter(due_at__gt=now)


def _ended(status: Status, now: Moment) -> dict[str, Any]:
    return {"status": status.value, "finished_at": now, "updated_at": now, **NO_LEASE}


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
