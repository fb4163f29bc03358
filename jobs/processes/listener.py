"""How an idle process sleeps and what wakes it: a pipe that threads and signal handlers write to, and NOTIFY."""

import contextlib
import logging
import os
import select
import threading
from collections.abc import Callable

from ..db.connection import jobs_connection, supports_notify
from ..db.notify import CHANNEL, notify_due

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
        django_connection = jobs_connection()
        if not supports_notify(django_connection):
            ended.wait()
            return
        with django_connection.wrap_database_errors:
            raw = django_connection.get_new_connection(django_connection.get_connection_params())
            try:
                raw.autocommit = True
                raw.execute(f"LISTEN {CHANNEL}")
                notify_due()
                django_connection.close()
                while not ended.is_set():
                    for _ in raw.notifies(timeout=OWN_ECHO_SECONDS, stop_after=1):
                        self._received.set()
                        self._on_notify()
                    if not self.is_receiving:
                        logger.warning("NOTIFY is not heard here; polling finds due jobs")
                        ended.wait()
            finally:
                self._received.clear()
                raw.close()
