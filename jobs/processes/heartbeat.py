"""The heartbeat of a process: its row in the table of workers, updated while it lives and deleted when it ends."""

import os
import secrets
import socket
import threading

from ..db import clock
from ..models import Worker


def new_name() -> str:
    """Return a name for this process that no other has ever had; jobs and events carry it."""
    return f"{socket.gethostname()[:120]}:{os.getpid()}:{secrets.token_hex(3)}"


class Heartbeat:
    """The row of one process in the table of workers."""

    def __init__(self, name: str, *, kind: Worker.Kind) -> None:
        self._name = name
        self._kind = kind
        self._lock = threading.Lock()
        self._has_left = False

    def beat(self) -> None:
        """Insert the row or update its ``beat_at``; after :meth:`leave`, do nothing."""
        with self._lock:
            if self._has_left:
                return
            if not Worker.objects.filter(name=self._name).update(beat_at=clock.NOW):
                Worker.objects.create(name=self._name, kind=self._kind, started_at=clock.NOW, beat_at=clock.NOW)

    def leave(self) -> None:
        """Delete the row. Waits for a beat under way, which might insert it again."""
        with self._lock:
            self._has_left = True
            Worker.objects.filter(name=self._name).delete()
