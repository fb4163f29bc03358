"""Every change of a job's status or lease, and of its hold and due time: one guarded UPDATE each.

The guard names the job, the status it must have and, for its worker, the lease token;
the number of rows that matched says who won a race. The event is written beside it. Callers open the transaction
(``single_statement``, ``outermost_transaction`` or ``service_transaction``). ``now`` is the
database's clock; tests pass an instant.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from django.db import models
from django.db.models import Case, F, When
from django.db.models.functions import Coalesce, Greatest

from ..actors import Actor
from ..db.clock import NOW, Moment, after
from ..db.statements import Parameter, Statement
from ..models import Job, JobEvent, JobQuerySet
from ..models.locks import unlocked
from ..status import Status
from .statements import (
    ANY_JOB,
    ANY_TOKEN,
    EventData,
    Fence,
    TransitionResult,
    apply_to_job,
    apply_transition,
    expired_rows,
    fenced_rows,
    new_event,
    update_of,
)

What = JobEvent.What

NO_LEASE: Final[dict[str, Any]] = {"lease_token": None, "lease_expires_at": None}
SCHEDULED_AGAIN: Final[dict[str, Any]] = {"status": Status.SCHEDULED.value, "worker": None, "begun_at": None} | NO_LEASE


def schedule_many(jobs: Sequence[Job], *, actor: Actor, note: str = "") -> None:
    """Insert new jobs in the given order, and the first event of each, with ``note``; the jobs get their ids.

    One statement for the rows and one for the events, or more where the database takes fewer values at once.

    Raises:
        IntegrityError: a unique action has an active job for the same reference, the idempotent request was made
            before, or the failed job that one of them retries (``retry_of``) has a retry.
    """
    Job.objects.bulk_create(jobs)
    JobEvent.objects.bulk_create(
        new_event(job, What.SCHEDULED, at=job.created_at, actor=actor, note=note) for job in jobs
    )


def schedule_retries(retries: Sequence[Job], *, actor: Actor, reason: str = "") -> None:
    """Insert jobs that retry failed ones (``retry_of``), and an event of both; the failed rows stay as they are.

    Raises:
        IntegrityError: as in :func:`schedule_many`.
    """
    schedule_many(retries, actor=actor, note=reason)
    JobEvent.objects.bulk_create(
        new_event(
            failed,
            What.RETRIED,
            at=retry.created_at,
            was=failed.status,
            actor=actor,
            note=f"Job {retry.pk} tries it again.",
        )
        for retry in retries
        for failed in [retry.retry_of]
        if failed is not None
    )


def import_many(jobs: Sequence[Job], *, actor: Actor) -> None:
    """Insert jobs of another system, waiting or ended, with their ids and as they are; and their events.

    Raises:
        IntegrityError: an id is taken, or a unique action has an active job for the same reference.
    """
    Job.objects.bulk_create(jobs)
    waiting = Status.SCHEDULED.value
    created = [new_event(job, What.SCHEDULED, status=waiting, at=job.created_at, actor=actor) for job in jobs]
    ended = [
        new_event(job, What(job.status), was=waiting, at=job.finished_at or job.created_at, actor=actor)
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
    """Claim those of ``job_ids`` that are still due and not locked; begin those of ``begun_ids``."""
    changes = _claimed(lease_token, worker.name, lease, now)
    changes["begun_at"] = Case(When(pk__in=list(begun_ids), then=now)) if begun_ids else None
    rows = unlocked(Job.objects.due(now).filter(pk__in=job_ids))
    apply_transition(rows, changes, EventData(what=What.CLAIMED, was=Status.SCHEDULED, actor=worker), now)
    claimed = Job.objects.filter(pk__in=job_ids, lease_token=lease_token, status=Status.RUNNING)
    return list(claimed.order_by("due_at", "pk"))


def claim_one(job_id: int, *, lease_token: UUID, worker: Actor, lease: timedelta) -> Job | None:
    """Claim and begin one job, and return it; None: it is not due. Waits for a rival's claim, which then wins."""
    event = EventData(what=What.CLAIMED, was=Status.SCHEDULED, actor=worker)
    return apply_to_job(_claim_of(lease), event, NOW, id=job_id, lease_token=lease_token, worker=worker.name)


@lru_cache(maxsize=4)
def _claim_of(lease: timedelta) -> Statement[Any]:
    claimed = _claimed(ANY_TOKEN, Parameter(Job, "worker"), lease, NOW)
    return update_of(Job.objects.due().filter(pk=ANY_JOB), {**claimed, "begun_at": NOW})


def begin(fence: Fence, *, now: Moment = NOW) -> bool:
    """Store that the action is entered now; False: the lease is lost."""
    return fenced_rows(fence).update(begun_at=now) == 1


def renew(fences: Collection[Fence], *, lease: timedelta, now: Moment = NOW) -> None:
    """Extend the leases of those jobs whose rows are not locked; a chunk locks its row and renews by itself."""
    ids = [fence.job_id for fence in fences]
    tokens = {fence.lease_token for fence in fences}
    rows = Job.objects.filter(pk__in=ids, status=Status.RUNNING, lease_token__in=tokens)
    unlocked(rows).update(lease_expires_at=_extended(lease, now))


def prove_fence(fence: Fence, *, lease: timedelta, now: Moment = NOW) -> bool:
    """Lock the row until the transaction ends, and renew the lease; False: the lease is lost."""
    return fenced_rows(fence).update(lease_expires_at=_extended(lease, now)) == 1


def record(
    fence: Fence, *, receipt: dict[str, Any], done: int, total: int | None, lease: timedelta, did_work: bool = True
) -> bool:
    """Store what a chunk did, in its transaction; ``done`` and ``total`` are the new values."""
    changes = {"receipt": receipt, "progress_done": done, "progress_total": total, "progress_at": NOW}
    if did_work:
        changes["interruptions_in_a_row"] = 0
    return fenced_rows(fence).update(lease_expires_at=_extended(lease, NOW), **changes) == 1


def complete(fence: Fence, *, worker: Actor, next_fence: Fence | None = None, now: Moment = NOW) -> TransitionResult:
    """Record success unless the job was cancelled or its lease was lost; in the same commit, begin another job."""
    event = EventData(what=What.COMPLETED, was=Status.RUNNING, actor=worker)
    return apply_transition(fence, _ended(Status.COMPLETED, now), event, now, next_fence)


def fail(
    fence: Fence, *, errors: str, worker: Actor, detail: str = "", next_fence: Fence | None = None, now: Moment = NOW
) -> TransitionResult:
    """Record a final failure; ``errors`` is what integrators read, ``detail`` what staff may read."""
    changes = {**_ended(Status.FAILED, now), "errors": errors, "failures": F("failures") + 1}
    event = EventData(what=What.FAILED, was=Status.RUNNING, actor=worker, note=errors, detail=detail)
    return apply_transition(fenced_rows(fence), changes, event, now, next_fence)


def retry_later(
    fence: Fence, *, wait: timedelta, errors: str, worker: Actor, detail: str = "", now: Moment = NOW
) -> TransitionResult:
    """Schedule a job whose attempt failed for another one after ``wait``; counts a failure."""
    counted = {"failures": F("failures") + 1, "interruptions_in_a_row": 0}
    changes = {**SCHEDULED_AGAIN, **counted, "due_at": after(now, wait), "updated_at": now}
    event = EventData(what=What.RETRYING, was=Status.RUNNING, actor=worker, note=errors, detail=detail)
    return apply_transition(fenced_rows(fence), changes, event, now)


def release(
    fence: Fence, *, worker: Actor, note: str, wait: timedelta = timedelta(0), now: Moment = NOW
) -> TransitionResult:
    """Hand a claimed job back; counts neither a failure nor a crash."""
    changes = {**SCHEDULED_AGAIN, "updated_at": now}
    if wait:
        changes["due_at"] = after(now, wait)
    event = EventData(what=What.RELEASED, was=Status.RUNNING, actor=worker, note=note)
    return apply_transition(fenced_rows(fence), changes, event, now)


def interrupt(
    fence: Fence, *, worker: Actor, note: str, wait: timedelta, detail: str = "", now: Moment = NOW
) -> TransitionResult:
    """Hand a begun job back whose attempt was interrupted though the database answers; counts an interruption."""
    counted = {name: F(name) + 1 for name in ("interruptions", "interruptions_in_a_row")}
    changes = {**SCHEDULED_AGAIN, **counted, "due_at": after(now, wait), "updated_at": now}
    event = EventData(what=What.RELEASED, was=Status.RUNNING, actor=worker, note=note, detail=detail)
    return apply_transition(fenced_rows(fence), changes, event, now)


def rescue(fence: Fence, *, seen: datetime, begun: bool, note: str, actor: Actor, now: Moment = NOW) -> bool:
    """Schedule a job again whose lease still expires at ``seen``; counts a crash only if its action had begun."""
    changes = {**SCHEDULED_AGAIN, "crashes": F("crashes") + int(begun), "updated_at": now}
    event = EventData(what=What.RESCUED, was=Status.RUNNING, actor=actor, note=note)
    return apply_transition(expired_rows(fence, seen=seen), changes, event, now).won


def give_up(fence: Fence, *, seen: datetime, errors: str, actor: Actor, now: Moment = NOW) -> bool:
    """Fail a job whose lease still expires at ``seen``, after the last crash that it may have."""
    changes = {**_ended(Status.FAILED, now), "errors": errors, "crashes": F("crashes") + 1}
    event = EventData(what=What.FAILED, was=Status.RUNNING, actor=actor, note=errors)
    return apply_transition(expired_rows(fence, seen=seen), changes, event, now).won


def cancel(job_id: int, *, project: models.Model, actor: Actor, reason: str = "", now: Moment = NOW) -> Job | None:
    """Cancel a job that waits or runs, and return it. Waits for a running chunk; no later chunk commits."""
    return apply_to_job(_cancel_of(now), _cancel_event(actor, reason), now, id=job_id, project=project.pk)


@lru_cache(maxsize=4)
def _cancel_of(now: Moment) -> Statement[Any]:
    return update_of(Job.objects.active().filter(pk=ANY_JOB, project=Parameter(Job, "project")), _cancelled(now))


def cancel_many(job_ids: Collection[int], *, actor: Actor, reason: str = "", now: Moment = NOW) -> list[int]:
    """Cancel those of the jobs that wait or run and are not locked, for example by a chunk; return their ids."""
    rows = unlocked(Job.objects.active().filter(pk__in=job_ids))
    return sorted(apply_transition(rows, _cancelled(now), _cancel_event(actor, reason), now).job_ids)


def hold(job_id: int, *, project: models.Model, actor: Actor, reason: str = "", now: Moment = NOW) -> bool:
    """Keep a job that waits, due or not, from being claimed until it is resumed.

    This ends its reservation: a task in an engine's queue does nothing, and a resumed job is dispatched again.
    """
    rows = Job.objects.waiting().filter(pk=job_id, project=project.pk)
    event = EventData(what=What.HELD, was=Status.SCHEDULED, actor=actor, note=reason)
    return apply_transition(rows, {"held_at": now, "reserved_until": None, "updated_at": now}, event, now).won


def resume(job_id: int, *, project: models.Model, actor: Actor, reason: str = "", now: Moment = NOW) -> bool:
    """Let a held job be claimed from its start on, or at once if that is past."""
    rows = Job.objects.held().filter(pk=job_id, project=project.pk)
    event = EventData(what=What.RESUMED, was=Status.SCHEDULED, actor=actor, note=reason)
    changes = {"held_at": None, "due_at": Greatest(F("start_at"), now), "updated_at": now}
    return apply_transition(rows, changes, event, now).won


def advance(job_id: int, *, project: models.Model, actor: Actor, reason: str = "", now: Moment = NOW) -> bool:
    """Let a job be claimed now that is not yet due and not held."""
    return _advance(_not_yet_due(now).filter(pk=job_id, project=project.pk), actor, reason, now).won


def advance_many(job_ids: Collection[int], *, actor: Actor, reason: str = "", now: Moment = NOW) -> list[int]:
    """Advance those of the jobs that are not yet due, not held and not locked by others; return their ids."""
    rows = unlocked(_not_yet_due(now).filter(pk__in=job_ids))
    return sorted(_advance(rows, actor, reason, now).job_ids)


def _advance(rows: JobQuerySet, actor: Actor, reason: str, now: Moment) -> TransitionResult:
    event = EventData(what=What.ADVANCED, was=Status.SCHEDULED, actor=actor, note=reason)
    return apply_transition(rows, {"due_at": now, "updated_at": now}, event, now)


def _not_yet_due(now: Moment) -> JobQuerySet:
    """Compare with the clock itself: after waiting for a rival's commit, the statement's own time would be too old."""
    return Job.objects.waiting().filter(due_at__gt=now)


def _ended(status: Status, now: Moment) -> dict[str, Any]:
    return {"status": status.value, "finished_at": now, "updated_at": now, **NO_LEASE}


def _cancel_event(actor: Actor, reason: str) -> EventData:
    return EventData(what=What.CANCELLED, was=None, actor=actor, note=reason)


def _cancelled(now: Moment) -> dict[str, Any]:
    return {**_ended(Status.CANCELLED, now), "held_at": None}


def _extended(lease: timedelta, now: Moment) -> Greatest:
    """Return when a renewed lease expires; a lease never becomes shorter."""
    return Greatest(F("lease_expires_at"), after(now, lease))


def _claimed(lease_token: Any, worker: Any, lease: timedelta, now: Moment) -> dict[str, Any]:
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
