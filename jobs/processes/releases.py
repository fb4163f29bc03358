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
from ..execution.outcomes import NO_DATABASE, Outcome, interruption, plain_release
from ..lifecycle.finished import send_job_finished
from ..lifecycle.statements import Fence
from ..models import Job
from ..status import Status

# A row that is locked (by a chunk, a cancel) is tried again later and must not delay the others.
LOCK_TIMEOUT_MS: Final = 200
NOT_RECORDED: Final = "The outcome could not be recorded, although the database answers."


class ReleaseQueue:
    """Claimed jobs to release. The process renews their leases until they are released, so no rescue counts a crash.

    Every method may be called on any thread.
    """

    def __init__(self, leases: Leases, *, worker: Actor) -> None:
        self._leases = leases
        self._worker = worker
        self._lock = threading.Lock()  # one thread at a time releases
        self._waiting: deque[tuple[Lease, str, bool]] = deque()
        # Lease tokens of unconfirmed claims, and until when (monotonic) to search for jobs with that token.
        self._claims: dict[UUID, float] = {}

    def __len__(self) -> int:
        return len(self._waiting) + len(self._claims)

    def add(self, leases: Iterable[Lease], note: str, *, counts: bool = False) -> None:
        """Queue jobs to be released; their actions, if any, can no longer open a chunk. ``counts`` as interruptions."""
        for lease in leases:
            lease.deadline = None
            lease.given_up.set()
            self._waiting.append((lease, note, counts))

    def add_unrecorded(self, lease: Lease, error: Error) -> None:
        """Queue a job whose outcome met ``error``, and count an interruption unless it was an outage."""
        is_outage = kind_of(error) is ErrorKind.OUTAGE
        self.add([lease], NO_DATABASE if is_outage else NOT_RECORDED, counts=not is_outage)

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
            for entry in list(self._waiting):
                lease, note, counts = entry
                if self._release_one(lease.fence, note, counts=counts):
                    self._waiting.remove(entry)
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

    def _release_one(self, fence: Fence, note: str, *, counts: bool = False) -> bool:
        """Release one job. True: its lease is no longer ours, by this transition or by another's; False: locked."""
        try:
            with limited_transaction(lock_timeout_ms=LOCK_TIMEOUT_MS):
                ending = interruption if counts else plain_release
                outcome, write = ending(fence, worker=self._worker, note=note)
                has_failed = write().won and outcome is Outcome.FAILED
                notify_due()
        except Error as error:
            if kind_of(error) is not ErrorKind.CONFLICT:
                raise
            return False
        if has_failed:
            send_job_finished(fence.job_id, Status.FAILED)
        return True
