"""A group of daemon threads. Each keeps one database connection, retries after outages, and reports a crash."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from django.db import Error, connections

from ..db.backoff import jitter
from ..db.connection import answer_seconds, jobs_connection, leave_pool, reconnect
from ..db.errors import ErrorKind, kind_of
from ..db.proof import prove_connections
from ..db.timeouts import limited_statements
from ..logging import reported_without_values

logger = logging.getLogger(__name__)

LOG_EVERY_SECONDS: Final = 5.0


class ThreadGroup:
    """Daemon threads that work until ``ended``; calls ``on_failure`` when one ends by an unexpected error."""

    def __init__(self, name: str, *, on_failure: Callable[[], None]) -> None:
        self.ended = threading.Event()
        self._name = name
        self._on_failure = on_failure
        self._repeating: list[threading.Thread] = []
        self._log_lock = threading.Lock()  # in an outage all threads fail at the same moment
        self._logged_at = -LOG_EVERY_SECONDS

    def start(self, work: Callable[[], None], name: str) -> threading.Thread:
        """Run ``work`` once on a new thread; its database connections are closed afterwards."""

        def guarded() -> None:
            try:
                leave_pool()
                with reported_without_values(), limited_statements(answer_seconds(), jobs_connection()):
                    work()
            except BaseException:
                self._on_failure()
                raise
            finally:
                connections.close_all()

        thread = threading.Thread(target=guarded, name=f"jobs-{name}", daemon=True)
        thread.start()
        return thread

    def repeat(self, seconds: float, work: Callable[[], None], *, name: str, at_once: bool = False) -> None:
        """Run ``work`` every ``seconds`` on a new thread; after a database error, sooner."""

        def loop() -> None:
            pause = 0.0 if at_once else seconds
            while not self.ended.wait(pause):
                pause = seconds
                try:
                    prove_connections()
                    work()
                except Error as error:
                    self.report(error)
                    pause = min(seconds, jitter(1.0))

        self._repeating.append(self.start(loop, name))

    def end(self, *, patience: float) -> None:
        """End repeated work; wait for work under way, ``patience`` seconds at most."""
        self.ended.set()
        until = time.monotonic() + patience
        for thread in self._repeating:
            if thread is not threading.current_thread():
                thread.join(max(0.0, until - time.monotonic()))

    def report(self, error: Error) -> None:
        """Log a database error and, unless it was a conflict, connect anew."""
        self.warn("database trouble", error)
        if kind_of(error) is not ErrorKind.CONFLICT:
            reconnect()

    def warn(self, what: str, error: Exception) -> None:
        """Log at most one line per 5 s, with the type of the error alone: its text may hold personal data."""
        with self._log_lock:
            now = time.monotonic()
            is_due = now - self._logged_at >= LOG_EVERY_SECONDS
            if is_due:
                self._logged_at = now
        if is_due:
            logger.warning("worker=%s %s: %s", self._name, what, type(error).__name__)
