"""Finds jobs whose worker is dead and puts them back in the queue, or fails them after too many crashes.

An expired lease does not prove that: when the database was away, or its clock jumped, the leases of
live workers have run out as well. So a rescue takes two checks, between which a live worker renews.
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

SECOND_CHECK_AFTER_BEAT: Final = timedelta(seconds=1)


@dataclass(frozen=True)
class _Observation:
    """A lease as the checks have seen it, unchanged; instants are of the monotonic clock."""

    token: UUID
    expires_at: datetime
    seen_since: float
    # None: it had not run out at the last check.
    expired_since: float | None


class Rescuer:
    """Rescues a job whose lease had run out at two checks, a heartbeat and a second apart, and was not renewed.

    Should the database's clock have been set back, leases last too long; then a lease is
    rescued that has not changed for its whole length by our own monotonic clock. Any
    database error must be followed by :meth:`reset`.
    """

    def __init__(self) -> None:
        self._observed: dict[int, _Observation] = {}

    def reset(self) -> None:
        """Discard what was observed: while the database was away, nobody could renew."""
        self._observed.clear()

    def has_expired(self) -> bool:
        """Whether the last check saw a lease that has run out, so that a second check is due."""
        return any(lease.expired_since is not None for lease in self._observed.values())

    def rescue(self, *, monotonic: float | None = None) -> list[int]:
        """Check every running job once; return the ids of those that were put back in the queue or failed."""
        at = time.monotonic() if monotonic is None else monotonic
        expired = set(Job.objects.expired().order_by().values_list("pk", flat=True))
        running = Job.objects.filter(status=Status.RUNNING).only(
            "pk", "action", "begun_at", "crashes", "lease_token", "lease_expires_at", "worker"
        )
        observed, rescued = {}, []
        for job in running:
            lease = self._observe(job, job.pk in expired, at)
            if _is_abandoned(lease, at) and _rescue(job, lease):
                rescued.append(job.pk)
            else:
                observed[job.pk] = lease
        self._observed = observed
        return rescued

    def _observe(self, job: Job, is_expired: bool, at: float) -> _Observation:
        assert job.lease_token is not None  # noqa: S101 – a constraint of the table says so
        assert job.lease_expires_at is not None  # noqa: S101 – the same constraint
        seen_since, expired_since = at, at
        before = self._observed.get(job.pk)
        if before is not None and (before.token, before.expires_at) == (job.lease_token, job.lease_expires_at):
            seen_since = before.seen_since
            expired_since = at if before.expired_since is None else before.expired_since
        return _Observation(job.lease_token, job.lease_expires_at, seen_since, expired_since if is_expired else None)


def _is_abandoned(lease: _Observation, at: float) -> bool:
    settings = conf.current()
    second_check = (settings.beat + SECOND_CHECK_AFTER_BEAT).total_seconds()
    if lease.expired_since is not None and at - lease.expired_since >= second_check:
        return True
    return at - lease.seen_since > settings.lease_seconds + second_check


def _rescue(job: Job, lease: _Observation) -> bool:
    """Put one job back in the queue, or fail it if its workers have crashed too often; False: somebody was faster."""
    fence = Fence(job_id=job.pk, lease_token=lease.token)
    begun = job.begun_at is not None
    limit = max_attempts_of(job.action)
    gives_up = begun and job.crashes + 1 >= limit
    with limited_transaction():
        if gives_up:
            errors = f"The worker running this job stopped unexpectedly {limit} times, so it was given up."
            won = transitions.give_up(fence, seen=lease.expires_at, errors=errors, actor=SYSTEM)
        else:
            note = f"The lease of {job.worker} ran out."
            won = transitions.rescue(fence, seen=lease.expires_at, begun=begun, note=note, actor=SYSTEM)
        failpoints.reach("rescue.half_way")
    if won and gives_up:
        send_job_finished(job.pk, Status.FAILED)
    return won
