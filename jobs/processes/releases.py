"""Claimed jobs that this process will not run: they go back in line unharmed, however long that takes."""

import time
from collections import deque
from collections.abc import Iterable
from typing import Final
from uuid import UUID

from django.db import Error

from ..actors import Actor
from ..db.connection import limited_transaction
from ..db.errors import Trouble, classify
from ..db.notify import notify_due
from ..execution.leases import Lease, Leases
from ..lifecycle import transitions
from ..lifecycle.statements import Fence
from ..models import Job
from ..status import Status

# A row that somebody holds – a chunk, a cancel – is tried again later, and holds up no other.
LOCK_TIMEOUT_MS: Final = 200


class ReleaseQueue:
    """What is to be given back; until it is, the beat renews its leases, so that no sweep counts a crash."""

    def __init__(self, leases: Leases, *, worker: Actor) -> None:
        self._leases = leases
        self._worker = worker
        self._waiting: deque[tuple[Lease, str]] = deque()
        # Until when to look for what each took, by the monotonic clock.
        self._claims: dict[UUID, float] = {}

    def __len__(self) -> int:
        return len(self._waiting) + len(self._claims)

    def add(self, leases: Iterable[Lease], note: str) -> None:
        """Give these back at the next occasion; their actions, if any, can no longer open a chunk."""
        for lease in leases:
            lease.deadline = None
            lease.lost.set()
            self._waiting.append((lease, note))

    def expect_claim(self, token: UUID, *, patience: float = 0.0) -> None:
        """Give back what a claim with ``token`` took, unless it is confirmed: then its COMMIT had no answer.

        One that may still wait for a lock, though its connection is lost, is looked for during ``patience`` seconds.
        """
        self._claims[token] = time.monotonic() + patience

    def confirm_claim(self, token: UUID) -> None:
        """The claim is known, and its jobs will be run."""
        del self._claims[token]

    def release_all(self) -> None:
        """Give back whatever is not locked by others; for the claiming thread alone.

        Raises:
            Error: the database is away; nothing is forgotten.
        """
        for lease, note in list(self._waiting):
            if self._release_one(lease.fence, note):
                self._waiting.remove((lease, note))
                self._leases.drop(lease)
        if self._claims:
            self._release_unconfirmed()

    def _release_unconfirmed(self) -> None:
        now = time.monotonic()  # before the look: what commits after it is looked for once more
        taken = Job.objects.filter(status=Status.RUNNING, lease_token__in=list(self._claims)).order_by()
        fence = [Fence(job_id=pk, lease_token=token) for pk, token in taken.values_list("pk", "lease_token") if token]
        locked = {one.lease_token for one in fence if not self._release_one(one, "The claim was not confirmed.")}
        for token, until in list(self._claims.items()):
            if token not in locked and until <= now:
                del self._claims[token]

    def _release_one(self, fence: Fence, note: str) -> bool:
        """Release one job; True: it is no longer ours, by this or by another's move."""
        try:
            with limited_transaction(lock_timeout_ms=LOCK_TIMEOUT_MS):
                transitions.release(fence, worker=self._worker, note=note)
                notify_due()
        except Error as error:
            if classify(error) is not Trouble.CONFLICT:
                raise
            return False
        return True
