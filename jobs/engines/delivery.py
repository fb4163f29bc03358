"""One call of another engine, as its own thread and those of ours see it."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from ..execution.leases import Lease
from ..models import Job


class Delivery:
    """One call of the engine: a job to run, which may turn out to be none of ours."""

    def __init__(self, job_id: int) -> None:
        self.job_id = job_id
        self.done = threading.Event()
        self.job: Job | None = None
        self.lease: Lease | None = None
        self._stopping = threading.Event()

    def begin(self, job: Job, lease: Lease) -> None:
        """The job is ours from now on."""
        self.job, self.lease = job, lease
        if self._stopping.is_set():
            lease.stopping = self._stopping

    def stop(self) -> None:
        """Let the job end at its next chunk and be handed back, but no other job of this process."""
        self._stopping.set()
        if self.lease is not None:
            self.lease.stopping = self._stopping

    @property
    def is_lost(self) -> bool:
        """Whether its action made no progress for its deadline; its thread is not waited for."""
        return self.lease is not None and self.lease.lost.is_set()


@contextlib.contextmanager
def notify_on_signals(told: Callable[[], None]) -> Iterator[None]:
    """Hear of the engine's end by the signals that it handles itself, where Python lets us: on the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGTERM, signal.SIGINT)}

    def hear(signum: int, frame: FrameType | None) -> None:
        told()
        theirs = before[signal.Signals(signum)]
        if callable(theirs):
            theirs(signum, frame)

    # What nobody handles ends the process as before.
    heard = [signum for signum, theirs in before.items() if callable(theirs)]
    for signum in heard:
        signal.signal(signum, hear)
    try:
        yield
    finally:
        for signum in heard:
            if signal.getsignal(signum) is hear:
                signal.signal(signum, before[signum])
