"""The leases of one process: which jobs it runs, and their renewal with every heartbeat.

A lease is renewed while the process lives and the action makes progress within its deadline.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from django.db.backends.base.base import BaseDatabaseWrapper

from .. import conf
from ..db import failpoints
from ..db.connection import limited_transaction
from ..lifecycle import transitions
from ..lifecycle.statements import Fence


@dataclass(kw_only=True, eq=False)
class Lease:
    """This process's right to one job. Instants are of the monotonic clock, as only differences count."""

    fence: Fence
    # None until the action is entered: a job that waits in the buffer has no deadline.
    deadline: timedelta | None = None
    progressed: float = field(default_factory=time.monotonic)
    stopping: threading.Event = field(default_factory=threading.Event)
    # Set when this process gives the job up: overdue, or queued for release. Its action can open no chunk any more.
    given_up: threading.Event = field(default_factory=threading.Event)
    # The connections of the thread that runs the action.
    connections: Sequence[BaseDatabaseWrapper] = ()

    def note_progress(self) -> None:
        """Start the deadline anew."""
        self.progressed = time.monotonic()

    def is_overdue(self) -> bool:
        """Whether the action has gone without progress for longer than its deadline."""
        if self.deadline is None:
            return False
        return time.monotonic() - self.progressed > self.deadline.total_seconds()


class Leases:
    """All leases of this process; shared by its threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_job: dict[int, Lease] = {}
        self.stopping = threading.Event()

    def add(self, fence: Fence) -> Lease:
        """Renew the lease of a claimed job from now on."""
        lease = Lease(fence=fence, stopping=self.stopping)
        with self._lock:
            self._by_job[fence.job_id] = lease
        return lease

    def drop(self, lease: Lease) -> None:
        """Stop renewing a lease; a later lease on the same job stays."""
        with self._lock:
            if self._by_job.get(lease.fence.job_id) is lease:
                del self._by_job[lease.fence.job_id]

    def all(self) -> list[Lease]:
        with self._lock:
            return list(self._by_job.values())

    def has(self, fence: Fence) -> bool:
        """Whether the lease of this very claim is still renewed."""
        return any(lease.fence is fence for lease in self.all())

    def __len__(self) -> int:
        return len(self._by_job)

    def renew(self) -> None:
        """Extend every lease but those of actions past their deadline."""
        fences = [lease.fence for lease in self.all() if not lease.is_overdue()]
        if fences:
            with limited_transaction():  # a process that is frozen here must not keep its rows locked
                transitions.renew(fences, lease=conf.current().lease)
                failpoints.reach("beat")
