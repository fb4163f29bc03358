"""Which due jobs were handed to an engine a short while ago, and are left to it: neither a status nor a lease."""

from collections.abc import Collection
from datetime import timedelta

from ..db.clock import NOW, Moment, after
from ..models import Job
from ..models.locks import unlocked
from ..status import Status
from .statements import update_returning


def reserve(job_ids: Collection[int], *, wait: timedelta, now: Moment = NOW) -> list[int]:
    """Keep those of ``job_ids`` that are due and free from other dispatchers for ``wait``; return which these are.

    Changes nothing that anybody sees, so there is no event; a claim ends it.
    """
    rows = unlocked(Job.objects.due(now).unreserved(now).filter(pk__in=job_ids))
    return update_returning(rows, {"reserved_until": after(now, wait)})


def unreserve(job_ids: Collection[int]) -> None:
    """Let jobs that still wait be handed over again at once; rows that are locked are being claimed or cancelled."""
    rows = Job.objects.filter(pk__in=job_ids, status=Status.SCHEDULED, reserved_until__isnull=False)
    update_returning(unlocked(rows), {"reserved_until": None})
