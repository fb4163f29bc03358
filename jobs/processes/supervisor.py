"""The parent of several worker processes: forks them, starts another one where one has ended, and ends with them.

It opens no connection and starts no thread, so a fork inherits nothing that breaks in it. Each child has a watchdog
of its own. The children hold one end of a pipe. They stop when the other end is closed: by the parent, or by its death.
"""

import contextlib
import gc
import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Final

from django.db import connections

from ..db.backoff import backoff
from .listener import Wake
from .process import EXIT_AT_THE_LATEST_SECONDS, EXIT_FOR_SUPERVISOR

logger = logging.getLogger(__name__)

# The wait before another process is started doubles with each one in a row that has not lived for a while.
FIRST_RESTART_SECONDS: Final = 0.5
LONGEST_RESTART_SECONDS: Final = 30.0
LIVED_SECONDS: Final = 60.0
# After this a child that does not end is killed, also one that is frozen and has no watchdog then.
KILL_SECONDS: Final = EXIT_AT_THE_LATEST_SECONDS + 0.3
LONGEST_SLEEP_SECONDS: Final = 5.0


@dataclass(kw_only=True, eq=False)
class _Child:
    """The place of one child; instants are of the monotonic clock. ``pid`` is None between two processes."""

    pid: int | None = None
    started_at: float = 0.0
    start_at: float = 0.0
    failures: int = 0
    has_ended: bool = False


class Supervisor:
    """Keeps ``count`` children running until it is stopped; with ``drain``, until each has ended with 0."""

    def __init__(self, run_child: Callable[[int], None], *, count: int, drain: bool) -> None:
        """``run_child`` is called in each child, with the descriptor that tells it to stop."""
        self._run_child = run_child
        self._drain = drain
        self._children = [_Child() for _ in range(count)]
        self._wake = Wake()
        self._reader, self._writer = os.pipe()
        self._stop_at: float | None = None
        self._exit_status = 0

    def run(self) -> int:
        """Work until SIGTERM or Ctrl-C, or until a drain is done; return the exit status. A second signal kills all."""
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self._handle)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # it only has to end the sleep
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        connections.close_all()
        gc.freeze()  # a collection would write to the pages that the children share
        while left := [child for child in self._children if not child.has_ended]:
            for child in left:
                self._attend(child)
            if not all(child.has_ended for child in left):
                self._wake.wait(self._seconds_to_sleep())
        return self._exit_status

    def _handle(self, signum: int, _: FrameType | None) -> None:
        if self._stop_at is not None:
            self._kill_all()
            os._exit(128 + signum)
        self._stop_at = time.monotonic()
        os.close(self._writer)

    def _attend(self, child: _Child) -> None:
        if child.pid is not None:
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                self._note_end(child, os.waitstatus_to_exitcode(status))
            elif self._stop_at is not None and time.monotonic() - self._stop_at > KILL_SECONDS:
                logger.error("pid=%d does not end and is killed", child.pid)
                os.kill(child.pid, signal.SIGKILL)
        elif self._stop_at is not None:
            child.has_ended = True
        elif child.start_at <= time.monotonic():
            self._start(child)

    def _note_end(self, child: _Child, status: int) -> None:
        """Note that a child has ended, with an exit status or by a signal (-9), and when to start the next."""
        pid, child.pid = child.pid, None
        if self._stop_at is not None or (self._drain and status == 0):
            child.has_ended = True
            self._exit_status = EXIT_FOR_SUPERVISOR if status else self._exit_status
            return
        lived = time.monotonic() - child.started_at
        child.failures = 0 if lived > LIVED_SECONDS else child.failures + 1
        wait = backoff(child.failures, first=FIRST_RESTART_SECONDS, longest=LONGEST_RESTART_SECONDS)
        child.start_at = time.monotonic() + wait
        logger.warning("pid=%d ended with %d after %.0f s; another process starts in %.1f s", pid, status, lived, wait)

    def _start(self, child: _Child) -> None:
        pid = os.fork()
        if pid == 0:
            self._run_in_child()
        child.pid, child.started_at = pid, time.monotonic()
        logger.info("pid=%d started", pid)

    def _run_in_child(self) -> None:
        """Be the child, to its end; nothing of the parent's stack is unwound."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for signum, handler in (
                (signal.SIGTERM, signal.SIG_DFL),
                (signal.SIGINT, signal.default_int_handler),
                (signal.SIGCHLD, signal.SIG_DFL),
            ):
                signal.signal(signum, handler)
            if self._stop_at is None:  # else the handler has closed it, in the parent or here
                os.close(self._writer)
            self._run_child(self._reader)
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        except BaseException:  # noqa: BLE001 – the child must not go on as the parent
            traceback.print_exc()
        finally:
            logging.shutdown()
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError):
                    stream.flush()
            os._exit(status)

    def _seconds_to_sleep(self) -> float:
        now = time.monotonic()
        if self._stop_at is not None:
            return max(0.05, min(self._stop_at + KILL_SECONDS - now, LONGEST_SLEEP_SECONDS))
        starts = [child.start_at - now for child in self._children if child.pid is None and not child.has_ended]
        return max(0.0, min([*starts, LONGEST_SLEEP_SECONDS]))

    def _kill_all(self) -> None:
        for child in self._children:
            if child.pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child.pid, signal.SIGKILL)
