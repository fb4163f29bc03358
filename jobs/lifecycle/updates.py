"""The changes that transitions make, and those of their UPDATEs that are compiled once."""

from datetime import timedelta
from functools import lru_cache
from typing import Any, Final

from django.db.models import Case, F, When
from django.db.models.functions import Coalesce, Greatest

from ..db.clock import NOW, Moment, after
from ..db.statements import Parameter, Statement
from ..models import Job
from ..models.locks import Among, OneOf, of_one
from ..models.pause import unpaused
from ..status import ACTIVE, Status
from .statements import ANY_JOB, ANY_TOKEN, any_fenced, many_fenced, update_of

NO_LEASE: Final[dict[str, Any]] = {"lease_token": None, "lease_expires_at": None}
SCHEDULED_AGAIN: Final[dict[str, Any]] = {"status": Status.SCHEDULED.value, "worker": None, "begun_at": None} | NO_LEASE


def ended(status: Status, now: Moment) -> dict[str, Any]:
    """Return the changes of a job that ends."""
    return {"status": status.value, "finished_at": now, "updated_at": now, **NO_LEASE}


def cancelled(now: Moment) -> dict[str, Any]:
    """Return the changes of a job that is cancelled; a hold ends with it."""
    return {**ended(Status.CANCELLED, now), "held_at": None}


def extended(lease: timedelta, now: Moment) -> Greatest:
    """Return when a renewed lease expires; a lease never becomes shorter."""
    return Greatest(F("lease_expires_at"), after(now, lease))


def claimed_by(lease: timedelta, now: Moment, begun_at: Any) -> dict[str, Any]:
    """Return the changes of a job that is claimed; token and worker are given at each run."""
    return {
        "status": Status.RUNNING.value,
        "lease_token": ANY_TOKEN,
        "lease_expires_at": after(now, lease),
        "worker": Parameter(Job, "worker"),
        "attempt": F("attempt") + 1,
        "started_at": Coalesce(F("started_at"), now),
        "begun_at": begun_at,
        "reserved_until": None,
        "updated_at": now,
    }


@lru_cache(maxsize=4)
def claim_of_many(lease: timedelta, now: Moment) -> Statement[Any]:
    """Return the claim of those of ``ids`` that are due and not locked; it begins those of ``begun_ids``."""
    due = Among(Job.objects.due(now).filter(OneOf("ids")))
    return update_of(Job.objects.filter(due), claimed_by(lease, now, Case(When(OneOf("begun_ids"), then=now))))


@lru_cache(maxsize=4)
def claim_of_one(lease: timedelta) -> Statement[Any]:
    """Return the claim of one job that is not paused, which begins it."""
    return update_of(unpaused(Job.objects.due().filter(pk=ANY_JOB)), claimed_by(lease, NOW, NOW))


@lru_cache(maxsize=4)
def renewal_of(lease: timedelta, now: Moment) -> Statement[Any]:
    """Return the proof of a fence, which renews the lease."""
    return update_of(any_fenced(), {"lease_expires_at": extended(lease, now)})


@lru_cache(maxsize=4)
def record_of(lease: timedelta, did_work: bool) -> Statement[Any]:
    """Return what stores the counts of a chunk."""
    changes: dict[str, Any] = {name: Parameter(Job, name) for name in ("receipt", "progress_done", "progress_total")}
    changes |= {"progress_at": NOW, "lease_expires_at": extended(lease, NOW)}
    return update_of(any_fenced(), changes | ({"interruptions_in_a_row": 0} if did_work else {}))


@lru_cache(maxsize=4)
def completion_of(now: Moment) -> Statement[Any]:
    """Return the UPDATE of a job that succeeded."""
    return update_of(any_fenced(), ended(Status.COMPLETED, now))


@lru_cache(maxsize=4)
def completion_of_many(now: Moment) -> Statement[Any]:
    """Return the UPDATE of those jobs that succeeded and are not locked."""
    return update_of(many_fenced(), ended(Status.COMPLETED, now))


@lru_cache(maxsize=4)
def failure_of(now: Moment) -> Statement[Any]:
    """Return the UPDATE of a job that failed for good."""
    changes = {"errors": Parameter(Job, "errors"), "failures": F("failures") + 1}
    return update_of(any_fenced(), {**ended(Status.FAILED, now), **changes})


@lru_cache(maxsize=4)
def cancel_of(now: Moment) -> Statement[Any]:
    """Return the UPDATE that cancels a job that waits or runs."""
    rows = Job.objects.filter(of_one(*ACTIVE), pk=ANY_JOB, project=Parameter(Job, "project"))
    return update_of(rows, cancelled(now))
