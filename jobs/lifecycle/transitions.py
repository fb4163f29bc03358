"""Every change of a job's status or lease, and of its hold and due time: one guarded UPDATE each.

The guard names the job, the status it must have and, for its worker, the lease token;
the number of rows that matched says who won a race. The event is written beside it. Callers open the transaction
(``single_statement``, ``outermost_transaction`` or ``service_transaction``). ``now`` is the
database's clock; tests pass an instant.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import models
from django.db.models import F
from django.db.models.functions import Greatest

from ..actors import Actor
from ..db.clock import NOW, Moment, after
from ..models import Job, JobEvent, JobQuerySet
from ..models.locks import of_one, unlocked
from ..status import Status
from .statements import (
    EventData,
    Fence,
    TransitionResult,
    apply_and_return,
    apply_fenced,
    apply_to_many,
    apply_transition,
    begin_job,
    execute_fenced,
    expired_rows,
    fenced_rows,
    new_event,
)
from .updates import (
    SCHEDULED_AGAIN,
    cancel_of,
    cancelled,
    claim_of_many,
    claim_of_one,
    completion_of,
    completion_of_many,
    ended,
    extended,
    failure_of,
    record_of,
    renewal_of,
)

What = JobEvent.What


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
    """Claim those of ``job_ids`` that are still due and not locked, and return them; begin those of ``begun_ids``."""
    event = EventData(what=What.CLAIMED, was=Status.SCHEDULED, actor=worker)
    ids = {"ids": job_ids, "begun_ids": begun_ids}
    changes = {"lease_token": lease_token, "worker": worker.name}
    claimed = apply_and_return(claim_of_many(lease, now), event, now, **ids, **changes)
    return sorted(claimed, key=lambda job: (job.due_at, job.pk))


def claim_one(job_id: int, *, lease_token: UUID, worker: Actor, lease: timedelta) -> Job | None:
    """Claim and begin one job, and return it; None: it is not due, or paused. Waits for a rival, who then wins."""
    event = EventData(what=What.CLAIMED, was=Status.SCHEDULED, actor=worker)
    changes = {"lease_token": lease_token, "worker": worker.name}
    return next(iter(apply_and_return(claim_of_one(lease), event, NOW, id=job_id, **changes)), None)


def begin(fence: Fence, *, now: Moment = NOW) -> bool:
    """Store that the action is entered now; False: the lease is lost."""
    return begin_job(fence, now)


def renew(fences: Collection[Fence], *, lease: timedelta, now: Moment = NOW) -> None:
    """Extend the leases of those jobs whose rows are not locked; a chunk locks its row and renews by itself."""
    ids = [fence.job_id for fence in fences]
    tokens = {fence.lease_token for fence in fences}
    rows = Job.objects.filter(of_one(Status.RUNNING), pk__in=ids, lease_token__in=tokens)
    unlocked(rows).update(lease_expires_at=extended(lease, now))


def prove_fence(fence: Fence, *, lease: timedelta, now: Moment = NOW) -> bool:
    """Lock the row until the transaction ends, and renew the lease; False: the lease is lost."""
    return execute_fenced(renewal_of(lease, now), fence)


def record(
    fence: Fence, *, receipt: dict[str, Any], done: int, total: int | None, lease: timedelta, did_work: bool = True
) -> bool:
    """Store what a chunk did, in its transaction; ``done`` and ``total`` are the new values."""
    counts = {"receipt": receipt, "progress_done": done, "progress_total": total}
    return execute_fenced(record_of(lease, did_work), fence, **counts)


def complete(fence: Fence, *, worker: Actor, next_fence: Fence | None = None, now: Moment = NOW) -> TransitionResult:
    """Record success unless the job was cancelled or its lease was lost; in the same commit, begin another job."""
    event = EventData(what=What.COMPLETED, was=Status.RUNNING, actor=worker)
    return apply_fenced(completion_of(now), fence, event, now, next_fence)


def complete_many(
    fences: Sequence[Fence], *, worker: Actor, next_fences: Sequence[Fence] = (), now: Moment = NOW
) -> TransitionResult:
    """Complete those of the jobs that may be and are not locked, and begin those of ``next_fences`` in the same commit.

    A job that is not among the ``job_ids`` of the result may only be locked: :func:`complete` waits and tells.
    """
    event = EventData(what=What.COMPLETED, was=Status.RUNNING, actor=worker)
    return apply_to_many(completion_of_many(now), fences, event, now, next_fences)


def fail(
    fence: Fence, *, errors: str, worker: Actor, detail: str = "", next_fence: Fence | None = None, now: Moment = NOW
) -> TransitionResult:
    """Record a final failure; ``errors`` is what integrators read, ``detail`` what staff may read."""
    event = EventData(what=What.FAILED, was=Status.RUNNING, actor=worker, note=errors, detail=detail)
    return apply_fenced(failure_of(now), fence, event, now, next_fence, errors=errors)


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
    changes = {**ended(Status.FAILED, now), "errors": errors, "crashes": F("crashes") + 1}
    event = EventData(what=What.FAILED, was=Status.RUNNING, actor=actor, note=errors)
    return apply_transition(expired_rows(fence, seen=seen), changes, event, now).won


def cancel(job_id: int, *, project: models.Model, actor: Actor, reason: str = "", now: Moment = NOW) -> Job | None:
    """Cancel a job that waits or runs, and return it. Waits for a running chunk; no later chunk commits."""
    of_job = {"id": job_id, "project": project.pk}
    return next(iter(apply_and_return(cancel_of(now), _cancel_event(actor, reason), now, **of_job)), None)


def cancel_many(job_ids: Collection[int], *, actor: Actor, reason: str = "", now: Moment = NOW) -> list[int]:
    """Cancel those of the jobs that wait or run and are not locked, for example by a chunk; return their ids."""
    rows = unlocked(Job.objects.active().filter(pk__in=job_ids))
    return sorted(apply_transition(rows, cancelled(now), _cancel_event(actor, reason), now).job_ids)


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


def _cancel_event(actor: Actor, reason: str) -> EventData:
    return EventData(what=What.CANCELLED, was=None, actor=actor, note=reason)
