"""Reservations: for how long a dispatched job is left to the engine. No status, no lease, no event."""

from collections.abc import Collection
from datetime import timedelta

from ..db.clock import NOW, Moment, after
from ..models import Job
from ..models.locks import unlocked
from ..status import Status
from .statements import update_returning


def reserve(job_ids: Collection[int], *, wait: timedelta, now: Moment = NOW) -> list[int]:
    """Reserve those of ``job_ids`` that are due and unreserved for ``wait``; return their ids. A claim ends it."""
    rows = unlocked(Job.objects.due(now).unreserved(now).filter(pk__in=job_ids))
    return update_returning(rows, {"reserved_until": after(now, wait)})


def unreserve(job_ids: Collection[int]) -> None:
    """Let jobs that still wait be dispatched again at once; locked rows are being claimed or cancelled."""
    rows = Job.objects.filter(pk__in=job_ids, status=Status.SCHEDULED, reserved_until__isnull=False)
    update_returning(unlocked(rows), {"reserved_until": None})
