"""Finds jobs whose worker is dead and puts them back in the queue, or fails them after too many crashes.

An expired lease does not prove that its worker is dead: after an outage of the database or a jump of its
clock, the leases of live workers have run out too. So a rescue takes two checks; a live worker renews between.
"""

import logging
import time
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from .. import conf
from ..actions import max_attempts_of
from ..actors import SYSTEM
from ..db import failpoints
from ..db.connection import limited_transaction
from ..db.proof import prove_connections
from ..lifecycle import transitions
from ..lifecycle.finished import send_job_finished
from ..lifecycle.statements import Fence
from ..models import Job
from ..status import Status

logger = logging.getLogger(__name__)

SECOND_CHECK_AFTER_BEAT: Final = timedelta(seconds=1)


SeenLease = tuple[int, UUID | None, datetime | None]
"""A job's id, and the token and expiry of its lease: a renewal or a new claim makes another."""


class Rescuer:
    """Rescues a job whose lease had run out at two checks, a heartbeat and a second apart, and was not renewed.

    If the database's clock is set back, leases run out too late. So a job is also rescued when its lease has
    not changed for its length and a second check by the monotonic clock. After a database error, call :meth:`reset`.
    """

    def __init__(self) -> None:
        # By the monotonic clock: when a check saw the lease first, and when one saw first that it had run out.
        self._seen: dict[SeenLease, float] = {}
        self._expired: dict[SeenLease, float] = {}

    def reset(self) -> None:
        """Discard what was observed: while the database was away, nobody could renew."""
        self._seen, self._expired = {}, {}

    def has_expired(self) -> bool:
        """Whether the last check saw a lease that has run out, so that a second check is due."""
        return bool(self._expired)

    def rescue(self, *, monotonic: float | None = None) -> list[int]:
        """Check every running job once; return the ids of those that were put back in the queue or failed."""
        prove_connections()
        now, settings = time.monotonic() if monotonic is None else monotonic, conf.current()
        second_check = (settings.beat + SECOND_CHECK_AFTER_BEAT).total_seconds()
        expired_ids = set(Job.objects.expired().order_by().values_list("pk", flat=True))
        running = Job.objects.filter(status=Status.RUNNING).only(
            "pk", "action", "begun_at", "crashes", "lease_token", "lease_expires_at", "worker"
        )
        seen, expired, rescued = {}, {}, []
        for job in running:
            lease = (job.pk, job.lease_token, job.lease_expires_at)
            seen[lease] = self._seen.get(lease, now)
            is_abandoned = now - seen[lease] > settings.lease_seconds + second_check
            if job.pk in expired_ids:
                expired[lease] = self._expired.get(lease, now)
                is_abandoned |= now - expired[lease] >= second_check
            if is_abandoned and _rescue(job):
                rescued.append(job.pk)
                expired.pop(lease, None)
        self._seen, self._expired = seen, expired
        return rescued


def _rescue(job: Job) -> bool:
    """Put one job back in the queue, or fail it after too many crashes; False: another transition won."""
    seen = job.lease_expires_at
    assert job.lease_token is not None  # noqa: S101 – a constraint of the table says so
    assert seen is not None  # noqa: S101 – the same constraint
    fence = Fence(job_id=job.pk, lease_token=job.lease_token)
    begun = job.begun_at is not None
    limit = max_attempts_of(job.action)
    gives_up = begun and job.crashes + 1 >= limit
    with limited_transaction():
        if gives_up:
            errors = f"The worker running this job stopped unexpectedly {limit} times, so it was given up."
            won = transitions.give_up(fence, seen=seen, errors=errors, actor=SYSTEM)
        else:
            note = f"The lease of {job.worker} ran out."
            won = transitions.rescue(fence, seen=seen, begun=begun, note=note, actor=SYSTEM)
        failpoints.reach("rescue.half_way")
    if won and gives_up:
        logger.warning("job=%s failed after too many crashes", job.pk)
        send_job_finished(job.pk, Status.FAILED)
    elif won:
        logger.warning("job=%s rescued from a worker that is gone", job.pk)
    return won
