"""The periodic work of a process: rescue lost jobs, forget dead workers, keep the counts."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from django.db import Error
from django.db.models.functions import Now

from .. import conf
from ..models import Worker
from ..stats import rollup
from ..stats.block_counts import BlockCounter
from .rescuer import Rescuer
from .threads import ThreadGroup

logger = logging.getLogger(__name__)

FORGET_WORKERS_AFTER: Final = timedelta(days=1)


class Maintenance:
    """Puts jobs of processes that are gone back in line, of which ``on_rescue`` is told, and keeps the figures."""

    def __init__(self, thread_group: ThreadGroup, *, on_rescue: Callable[[], None]) -> None:
        self._thread_group = thread_group
        self._on_rescue = on_rescue
        self._rescuer = Rescuer()
        self._blocks = BlockCounter()

    def look(self) -> None:
        """Look for lost jobs; if one is suspect, look again a beat and a second later."""
        try:
            rescued = self._rescuer.look()
            if self._rescuer.has_suspects() and not self._thread_group.ended.wait(conf.current().beat_seconds + 1.1):
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
            self._thread_group.note_trouble(error)
