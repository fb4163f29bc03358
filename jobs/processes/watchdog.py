"""The watchdog: ends a process that no longer works or cannot end, and needs neither the GIL nor the database for it.

Its timer is a thread of C. When it is not renewed in time, it writes the stack of every thread to stderr (names of
files and functions, no values) and ends the process with exit status 1. The leases run out, the rescuer counts a
crash, and a supervisor starts another process.
"""

import faulthandler
import os
import threading
import time
from typing import Final

from .. import conf

SHORTEST_SECONDS = 15.0
"""However short leases are, a process that a busy machine delays for less is not ended."""
STDERR: Final = 2


class Watchdog:
    """The only one of this process, as the timer is."""

    def __init__(self) -> None:
        self.may_end_process = False
        """Whether it works at all: only where a supervisor or an engine starts another process in place of this one."""
        self._lock = threading.RLock()  # a signal handler may interrupt its own thread
        self._is_on = False
        self._ends_at: float | None = None

    @property
    def seconds(self) -> float:
        """How long a process may go without :meth:`renew`: a lease."""
        return max(conf.current().lease_seconds, SHORTEST_SECONDS)

    def start(self) -> None:
        """Watch from now on."""
        with self._lock:
            self._is_on = self.may_end_process
            self.renew()

    def renew(self) -> None:
        """Start the time anew, but not that of :meth:`end_within`."""
        with self._lock:
            if self._is_on:
                left = self.seconds if self._ends_at is None else max(0.01, self._ends_at - time.monotonic())
                faulthandler.dump_traceback_later(left, exit=True, file=STDERR)

    def end_within(self, seconds: float) -> None:
        """End the process after ``seconds`` whatever lives in it; the first call decides."""
        with self._lock:
            if self._is_on and self._ends_at is None:
                self._ends_at = time.monotonic() + seconds
            self.renew()

    def stop(self) -> None:
        """Watch no longer."""
        with self._lock:
            if self._is_on:
                faulthandler.cancel_dump_traceback_later()
            self._is_on, self._ends_at = False, None

    def before_fork(self) -> None:
        """Stop the timer: in a fork without its thread, the interpreter would wait for that thread for ever."""
        self._lock.acquire()
        if self._is_on:
            faulthandler.cancel_dump_traceback_later()

    def after_fork(self) -> None:
        """Go on in the parent."""
        try:
            self.renew()
        finally:
            self._lock.release()


WATCHDOG: Final = Watchdog()

os.register_at_fork(
    before=WATCHDOG.before_fork,
    after_in_parent=WATCHDOG.after_fork,
    after_in_child=WATCHDOG.__init__,  # type: ignore[misc]  # the same object, as new: off
)
