"""When to renew a lease, when to rescue a job: the signs of life of one process, and the watch on the others.

Two signs: the beat (the process lives) and progress (the action lives). A rescue takes
two looks, so that an outage or a step of the database's clock takes no live job.
"""

import threading
import time
from dataclasses import dataclass, field
from datetime import timedelta

from .. import conf, failpoints
from ..db.connection import limited_transaction
from ..lifecycle import transitions
from ..lifecycle.statements import Fence


@dataclass(kw_only=True, eq=False)
class Lease:
    """One job held by this process. Instants here are of the monotonic clock: only differences count."""

    fence: Fence
    # None until the action is entered; a job that waits has no deadline.
    deadline: timedelta | None = None
    progressed: float = field(default_factory=time.monotonic)
    stopping: threading.Event = field(default_factory=threading.Event)
    # Set when the deadline passed: the attempt is lost, the thread is not worth waiting for.
    lost: threading.Event = field(default_factory=threading.Event)

    def note_progress(self) -> None:
        """The action lives."""
        self.progressed = time.monotonic()

    def is_overdue(self) -> bool:
        """Whether the action has gone without progress for longer than its deadline."""
        if self.deadline is None:
            return False
        return time.monotonic() - self.progressed > self.deadline.total_seconds()


class Leases:
    """The leases this process holds; shared by its threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_job: dict[int, Lease] = {}
        self.stopping = threading.Event()

    def add(self, fence: Fence) -> Lease:
        """Hold a claimed job from now on."""
        lease = Lease(fence=fence, stopping=self.stopping)
        with self._lock:
            self._by_job[fence.job_id] = lease
        return lease

    def drop(self, lease: Lease) -> None:
        """Let go of a job that is no longer ours, unless it was claimed anew meanwhile."""
        with self._lock:
            if self._by_job.get(lease.fence.job_id) is lease:
                del self._by_job[lease.fence.job_id]

    def all(self) -> list[Lease]:
        """Return what is held now."""
        with self._lock:
            return list(self._by_job.values())

    def has(self, fence: Fence) -> bool:
        """Whether this very claim is still held."""
        return any(lease.fence is fence for lease in self.all())

    def __len__(self) -> int:
        return len(self._by_job)

    def renew(self) -> None:
        """Beat: extend every lease but those of actions past their deadline."""
        fence = [lease.fence for lease in self.all() if not lease.is_overdue()]
        if fence:
            with limited_transaction():  # a process frozen here must not hold its rows
                transitions.renew(fence, lease=conf.current().lease)
                failpoints.reach("beat")
