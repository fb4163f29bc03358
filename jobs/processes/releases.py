"""Claimed jobs that this process will not run: it releases them, and tries again until each is released."""

import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import Final
from uuid import UUID

from django.db import Error

from ..actors import Actor
from ..db.connection import limited_transaction
from ..db.errors import ErrorKind, kind_of
from ..db.notify import notify_due
from ..execution.leases import Lease, Leases
from ..lifecycle import transitions
from ..lifecycle.statements import Fence
from ..models import Job
from ..status import Status

# A row that is locked (by a chunk, a cancel) is tried again later and must not delay the others.
LOCK_TIMEOUT_MS: Final = 200
NO_DATABASE: Final = "The database was not available."


class ReleaseQueue:
    """Claimed jobs to release. The process renews their leases until they are released, so no rescue counts a crash.

    Every method may be called on any thread.
    """

    def __init__(self, leases: Leases, *, worker: Actor) -> None:
        self._leases = leases
        self._worker = worker
        self._lock = threading.Lock()  # one thread at a time releases
        self._waiting: deque[tuple[Lease, str]] = deque()
        # Lease tokens of unconfirmed claims, and until when (monotonic) to search for jobs with that token.
        self._claims: dict[UUID, float] = {}

    def __len__(self) -> int:
        return len(self._waiting) + len(self._claims)

    def add(self, leases: Iterable[Lease], note: str) -> None:
        """Queue jobs to be released; their actions, if any, can no longer open a chunk."""
        for lease in leases:
            lease.deadline = None
            lease.given_up.set()
            self._waiting.append((lease, note))

    def add_all(self, note: str) -> None:
        """Queue all jobs of this process that are neither queued already nor taken from a stuck action."""
        self.add([lease for lease in self._leases.all() if not lease.given_up.is_set()], note)

    def expect_claim(self, token: UUID, *, patience: float = 0.0) -> None:
        """Release what a claim with this lease token took, unless :meth:`confirm_claim` follows.

        The answer to its COMMIT may be lost. A claim whose connection is lost may also commit
        late, after waiting for a lock; its jobs are searched for during ``patience`` seconds.
        """
        self._claims[token] = time.monotonic() + patience

    def confirm_claim(self, token: UUID) -> None:
        """Leave the jobs of this claim alone: the process knows them and will run them."""
        del self._claims[token]

    def release_all(self) -> None:
        """Release all jobs whose rows are not locked.

        Raises:
            Error: the database is away; what is not released yet stays queued.
        """
        with self._lock:
            for lease, note in list(self._waiting):
                if self._release_one(lease.fence, note):
                    self._waiting.remove((lease, note))
                    self._leases.drop(lease)
            if self._claims:
                self._release_unconfirmed()

    def _release_unconfirmed(self) -> None:
        now = time.monotonic()  # before the query: what commits after it needs another one
        taken = Job.objects.filter(status=Status.RUNNING, lease_token__in=list(self._claims)).order_by()
        fences = [Fence(job_id=pk, lease_token=token) for pk, token in taken.values_list("pk", "lease_token") if token]
        locked = {fence.lease_token for fence in fences if not self._release_one(fence, "The claim was not confirmed.")}
        for token, until in list(self._claims.items()):
            if token not in locked and until <= now:
                del self._claims[token]

    def _release_one(self, fence: Fence, note: str) -> bool:
        """Release one job. True: its lease is no longer ours, by this transition or by another's; False: locked."""
        try:
            with limited_transaction(lock_timeout_ms=LOCK_TIMEOUT_MS):
                transitions.release(fence, worker=self._worker, note=note)
                notify_due()
        except Error as error:
            if kind_of(error) is not ErrorKind.CONFLICT:
                raise
            return False
        return True
