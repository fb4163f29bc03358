"""How a process shows that it lives, and how it looks after those that do not."""

import logging
import os
import secrets
import socket
import threading

from ..db import clock
from ..models import Worker

logger = logging.getLogger(__name__)


def new_name() -> str:
    """Return a name for this process that none has had before; what stands in jobs and events."""
    return f"{socket.gethostname()[:120]}:{os.getpid()}:{secrets.token_hex(3)}"


class Heartbeat:
    """The row by which others see that this process lives."""

    def __init__(self, name: str, *, kind: Worker.Kind) -> None:
        self._name = name
        self._kind = kind
        self._lock = threading.Lock()
        self._has_left = False

    def beat(self) -> None:
        """Say that the process lives; after :meth:`leave`, nothing."""
        with self._lock:
            if self._has_left:
                return
            if not Worker.objects.filter(name=self._name).update(beat_at=clock.NOW):
                Worker.objects.create(name=self._name, kind=self._kind, started_at=clock.NOW, beat_at=clock.NOW)

    def leave(self) -> None:
        """Say that it ends in good order. A beat that is under way is waited for: it might insert the row anew."""
        with self._lock:
            self._has_left = True
            Worker.objects.filter(name=self._name).delete()
