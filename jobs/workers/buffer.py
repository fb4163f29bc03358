"""The jobs that a worker has claimed and not yet begun, in the order to run them."""

import threading
import time
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field

from ..execution.leases import Lease
from ..models import Job


@dataclass(kw_only=True, eq=False)
class ClaimedJob:
    """One claimed job; ``begun`` once its ``begun_at`` is committed; ``since`` is of the monotonic clock."""

    job: Job
    lease: Lease
    begun: bool
    since: float = field(default_factory=time.monotonic)


class ClaimBuffer:
    """A queue between the thread that claims jobs and the threads that run them."""

    def __init__(self) -> None:
        self._ready = threading.Condition()
        self._entries: deque[ClaimedJob] = deque()
        self._closed = False
        self._waiting_threads = 0
        # Claim more when fewer jobs than this are left: by the time the new ones come, these have run.
        self.refill_below = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def idle(self) -> int:
        """How many threads wait for a job and will find none in the buffer."""
        return max(0, self._waiting_threads - len(self._entries))

    def has_room(self, threads: int) -> bool:
        """Whether to claim more: there are fewer jobs than ``threads``, or few are left of the last batch."""
        return len(self._entries) < max(threads, self.refill_below)

    def oldest(self) -> float:
        """Return how many seconds the first job has waited; 0 if there is none."""
        with self._ready:
            return time.monotonic() - self._entries[0].since if self._entries else 0.0

    def put(self, entries: Collection[ClaimedJob]) -> None:
        with self._ready:
            self._entries.extend(entries)
            self.refill_below = len(entries) // 4
            self._ready.notify_all()

    def get(self) -> ClaimedJob | None:
        """Wait for the next job; None when the buffer is closed."""
        with self._ready:
            self._waiting_threads += 1
            try:
                self._ready.wait_for(lambda: self._entries or self._closed)
            finally:
                self._waiting_threads -= 1
            return self._entries.popleft() if self._entries else None

    def take(self) -> ClaimedJob | None:
        with self._ready:
            return self._entries.popleft() if self._entries else None

    def take_all(self) -> list[ClaimedJob]:
        with self._ready:
            entries = list(self._entries)
            self._entries.clear()
            return entries

    def close(self) -> list[ClaimedJob]:
        """End every :meth:`get`; return the jobs that will not be run."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()
        return self.take_all()
