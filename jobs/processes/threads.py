"""The threads of an engine process: each keeps its connection, survives outages, and is missed when it falls."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from django.db import Error, connections

from ..db.backoff import jitter
from ..db.connection import reconnect
from ..db.errors import Trouble, classify

logger = logging.getLogger(__name__)

LOG_TROUBLE_EVERY_SECONDS: Final = 5.0
ASK_SECONDS: Final = 0.25


class ThreadGroup:
    """Daemon threads that work until ``ended``; ``on_failure`` is called when one ends by an unexpected error."""

    def __init__(self, name: str, *, on_failure: Callable[[], None]) -> None:
        self.ended = threading.Event()
        self._name = name
        self._on_failure = on_failure
        self._repeating: list[threading.Thread] = []
        self._trouble_lock = threading.Lock()  # an outage meets all threads at one moment
        self._trouble_logged = -LOG_TROUBLE_EVERY_SECONDS

    def start(self, work: Callable[[], None], name: str) -> threading.Thread:
        """Run ``work`` once on a thread of its own; database connections are closed after it."""

        def guarded() -> None:
            try:
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
        """Run ``work`` every ``seconds`` on a thread of its own; after a database error, sooner."""

        def loop() -> None:
            pause = 0.0 if at_once else seconds
            while not self.ended.wait(pause):
                pause = seconds
                try:
                    work()
                except Error as error:
                    self.note_trouble(error)
                    pause = min(seconds, jitter(1.0))

        self._repeating.append(self.start(loop, name))

    def end(self, *, patience: float) -> None:
        """Let repeated work end; wait for what is in the midst of it, ``patience`` seconds at most."""
        self.ended.set()
        until = time.monotonic() + patience
        for thread in self._repeating:
            await_end(thread, until=until, unless=lambda thread: thread is threading.current_thread())

    def note_trouble(self, error: Error) -> None:
        """Log that the database is in trouble, and connect anew."""
        self.warn("database trouble", error)
        if classify(error) is not Trouble.CONFLICT:
            reconnect()

    def warn(self, what: str, error: Exception) -> None:
        """Log at most one line per 5 s; the text of an error may hold data, so its type alone."""
        with self._trouble_lock:
            now = time.monotonic()
            is_news = now - self._trouble_logged >= LOG_TROUBLE_EVERY_SECONDS
            if is_news:
                self._trouble_logged = now
        if is_news:
            logger.warning("worker=%s %s: %s", self._name, what, type(error).__name__)


def await_end(thread: threading.Thread, *, until: float, unless: Callable[[threading.Thread], bool]) -> None:
    """Wait for the end of ``thread``: until an instant of the monotonic clock, and not once ``unless`` holds."""
    while thread.is_alive() and not unless(thread) and (left := until - time.monotonic()) > 0:
        thread.join(min(ASK_SECONDS, left))
