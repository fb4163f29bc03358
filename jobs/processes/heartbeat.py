"""How a process shows that it lives, and how it looks after those that do not."""

import logging
import os
import secrets
import socket
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from django.db import Error
from django.db.models.functions import Now

from .. import conf
from ..db import clock
from ..execution.leases import Rescuer
from ..models import Worker
from ..stats import rollup
from ..stats.block_counts import BlockCounter
from .threads import Crew

logger = logging.getLogger(__name__)

FORGET_WORKERS_AFTER: Final = timedelta(days=1)


def new_name() -> str:
    """Return a name for this process that none has had before; what stands in jobs and events."""
    return f"{socket.gethostname()[:120]}:{os.getpid()}:{secrets.token_hex(3)}"


class Presence:
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


class Sweep:
    """Puts jobs of processes that are gone back in line, of which ``on_rescue`` is told, and keeps the figures."""

    def __init__(self, crew: Crew, *, on_rescue: Callable[[], None]) -> None:
        self._crew = crew
        self._on_rescue = on_rescue
        self._rescuer = Rescuer()
        self._blocks = BlockCounter()

    def look(self) -> None:
        """Look for lost jobs; if one is suspect, look again a beat and a second later."""
        try:
            rescued = self._rescuer.look()
            if self._rescuer.has_suspects() and not self._crew.ended.wait(conf.current().beat_seconds + 1.1):
                rescued += self._rescuer.look()
        except Error:
            self._rescuer.forget()
            raise
        for job_id in rescued:
            logger.warning("job=%s rescued from a worker that is gone", job_id)
        if rescued:
            self._on_rescue()
        Worker.objects.filter(beat_at__lt=Now() - FORGET_WORKERS_AFTER).delete()
        try:
            self._blocks.count()
            rollup.roll_up()
        except Error as error:  # figures for people: no reason to look for lost jobs again at once, as others are
            self._crew.note_trouble(error)
