"""Finds jobs whose worker is dead and puts them back in the queue, or fails them after too many crashes.

A rescue takes two looks, so that an outage or a step of the database's clock takes no job from a live worker.
"""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from .. import conf, failpoints
from ..actions import max_attempts_of
from ..actors import SYSTEM
from ..db.connection import limited_transaction
from ..lifecycle import transitions
from ..lifecycle.finished import send_job_finished
from ..lifecycle.statements import Fence
from ..models import Job
from ..status import Status

SECOND_LOOK_AFTER_BEAT: Final = timedelta(seconds=1)


@dataclass(frozen=True)
class _Look:
    token: UUID
    expires_at: datetime
    first_seen: float
    expired_since: float | None


class Rescuer:
    """Finds jobs whose worker is gone and puts them back in line.

    Expired at two looks a beat and a second apart, with token and expiry unchanged; or
    unchanged for a whole lease by our own monotonic clock, should the database's clock
    have been set back. Any database error must be followed by :meth:`forget`.
    """

    def __init__(self) -> None:
        self._looks: dict[int, _Look] = {}

    def forget(self) -> None:
        """Forget all looks: while the database was away nobody could renew."""
        self._looks.clear()

    def has_suspects(self) -> bool:
        """Whether a second look is due soon."""
        return any(look.expired_since is not None for look in self._looks.values())

    def look(self, *, monotonic: float | None = None) -> list[int]:
        """Look at every running job once; return the ids of those put back in line or given up."""
        at = time.monotonic() if monotonic is None else monotonic
        expired = set(Job.objects.expired().order_by().values_list("pk", flat=True))
        running = Job.objects.filter(status=Status.RUNNING).only(
            "pk", "action", "begun_at", "crashes", "lease_token", "lease_expires_at", "worker"
        )
        looks, rescued = {}, []
        for job in running:
            look = self._compare(job, job.pk in expired, at)
            looks[job.pk] = look
            if self._is_gone(look, at) and _rescue(job, look):
                rescued.append(job.pk)
                del looks[job.pk]
        self._looks = looks
        return rescued

    def _compare(self, job: Job, is_expired: bool, at: float) -> _Look:
        assert job.lease_token is not None  # noqa: S101 – a constraint of the table says so
        assert job.lease_expires_at is not None  # noqa: S101
        before = self._looks.get(job.pk)
        if before is None or (before.token, before.expires_at) != (job.lease_token, job.lease_expires_at):
            return _Look(job.lease_token, job.lease_expires_at, at, at if is_expired else None)
        since = before.expired_since if before.expired_since is not None else at
        return _Look(before.token, before.expires_at, before.first_seen, since if is_expired else None)

    @staticmethod
    def _is_gone(look: _Look, at: float) -> bool:
        settings = conf.current()
        second_look = (settings.beat + SECOND_LOOK_AFTER_BEAT).total_seconds()
        if look.expired_since is not None and at - look.expired_since >= second_look:
            return True
        return at - look.first_seen > settings.lease_seconds + second_look


def _rescue(job: Job, look: _Look) -> bool:
    """Put one job back in line, or give it up if its workers have died of it too often."""
    fence = Fence(job_id=job.pk, lease_token=look.token)
    begun = job.begun_at is not None
    limit = max_attempts_of(job.action)
    gives_up = begun and job.crashes + 1 >= limit
    with limited_transaction():
        if gives_up:
            errors = f"The worker running this job stopped unexpectedly {limit} times, so it was given up."
            moved = transitions.give_up(fence, seen=look.expires_at, errors=errors, actor=SYSTEM)
        else:
            note = f"The lease of {job.worker} ran out."
            moved = transitions.rescue(fence, seen=look.expires_at, begun=begun, note=note, actor=SYSTEM)
        failpoints.reach("rescue.half_way")
    if moved and gives_up:
        send_job_finished(job.pk, Status.FAILED)
    return moved
