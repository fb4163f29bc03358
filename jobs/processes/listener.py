"""How an idle process sleeps and what wakes it: a pipe that threads and signal handlers write to, and NOTIFY."""

import contextlib
import logging
import os
import select
import threading
from collections.abc import Callable
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from ..db.connection import answer_seconds, jobs_connection, supports_notify
from ..db.notify import CHANNEL, notify_due
from ..db.timeouts import answer_within

logger = logging.getLogger(__name__)

OWN_ECHO_SECONDS = 2.0


class Wake:
    """A sleep that can be cut short; ``set`` takes no lock, so a signal handler may call it."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)

    def set(self) -> None:
        """End the sleep now, or the next one at once."""
        # A full pipe already ends the next sleep.
        with contextlib.suppress(BlockingIOError):
            os.write(self._writer, b"!")

    def fileno(self) -> int:
        """Return the descriptor for ``signal.set_wakeup_fd``: a signal just before a sleep must end it, too."""
        return self._writer

    def wait(self, seconds: float) -> bool:
        """Sleep for ``seconds`` at most; True if woken."""
        ready, _, _ = select.select([self._reader], [], [], max(0.0, seconds))
        if ready:
            with contextlib.suppress(BlockingIOError):
                while os.read(self._reader, 4096):
                    pass
        return bool(ready)


class Listener:
    """Calls ``on_notify`` for each NOTIFY, which it receives on a connection of its own.

    ``is_receiving`` becomes True when the first NOTIFY arrives, which the listener sends itself.
    It stays False where the database has no NOTIFY, or where a pooler in transaction mode drops
    it; then only polling finds due jobs.
    """

    def __init__(self, on_notify: Callable[[], None]) -> None:
        self._on_notify = on_notify
        self._received = threading.Event()

    @property
    def is_receiving(self) -> bool:
        """Whether notifications arrive at present."""
        return self._received.is_set()

    def listen(self, ended: threading.Event) -> None:
        """Listen until ``ended``; to be called again after an error.

        Raises:
            DatabaseError: the connection was lost; ``is_receiving`` is False until a new one receives.
        """
        if not supports_notify(jobs_connection()):
            ended.wait()
            return
        own = jobs_connection().copy()
        try:
            with own.wrap_database_errors:
                self._listen(own, ended)
        finally:
            self._received.clear()
            own.close()

    def _listen(self, own: BaseDatabaseWrapper, ended: threading.Event) -> None:
        with answer_within(answer_seconds(), own):
            own.ensure_connection()
            raw: Any = own.connection
            raw.autocommit = True
            raw.execute(f"LISTEN {CHANNEL}")
        notify_due()
        jobs_connection().close()
        while not ended.is_set():
            is_silent = True
            for _ in raw.notifies(timeout=OWN_ECHO_SECONDS, stop_after=1):
                is_silent = False
                self._received.set()
                self._on_notify()
            if is_silent:  # it may be frozen; and a server that ends idle sessions leaves one that says something
                with answer_within(answer_seconds(), own):
                    raw.execute(f"LISTEN {CHANNEL}")
            if not self.is_receiving:
                logger.warning("NOTIFY is not heard here; polling finds due jobs")
                ended.wait()
