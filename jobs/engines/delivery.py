"""One delivery: a message of the engine that names one job, shared by the engine's thread and this app's."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from ..execution.leases import Lease
from ..models import Job


class Delivery:
    """One delivery; ``job`` and ``lease`` are set once the job is claimed, ``done`` when the engine may go on."""

    def __init__(self, job_id: int) -> None:
        self.job_id = job_id
        self.done = threading.Event()
        self.job: Job | None = None
        self.lease: Lease | None = None
        self.is_stuck = False  # the action is overdue, so its thread may never return
        self._stopping = threading.Event()

    def set_claimed(self, job: Job, lease: Lease) -> None:
        self.job, self.lease = job, lease
        if self._stopping.is_set():
            lease.stopping = self._stopping

    def stop(self) -> None:
        """Let this job, and no other of the process, be released at its next chunk."""
        self._stopping.set()
        if self.lease is not None:
            self.lease.stopping = self._stopping

    @property
    def is_given_up(self) -> bool:
        """Whether this process gives the job up: its action is overdue, or the job is queued for release."""
        return self.lease is not None and self.lease.given_up.is_set()


@contextlib.contextmanager
def calling_on_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call ``stop`` at SIGTERM and SIGINT, before the engine's own handlers; do nothing outside the main thread.

    A signal that the engine does not handle keeps its effect.
    """
    if threading.current_thread() is not threading.main_thread():  # Python sets handlers nowhere else
        yield
        return
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGTERM, signal.SIGINT)}

    def handle(signum: int, frame: FrameType | None) -> None:
        stop()
        engine_handler = before[signal.Signals(signum)]
        if callable(engine_handler):
            engine_handler(signum, frame)

    handled = [signum for signum, engine_handler in before.items() if callable(engine_handler)]
    for signum in handled:
        signal.signal(signum, handle)
    try:
        yield
    finally:
        for signum in handled:
            if signal.getsignal(signum) is handle:
                signal.signal(signum, before[signum])
