"""The periodic work of a process: rescues jobs of dead workers, deletes their ``Worker`` rows, updates statistics.

It also removes the files that jobs of an erase map have left.
"""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from django.db import Error
from django.db.models.functions import Now

from .. import conf
from ..erasure.files import has_left_files, remove_left_files
from ..models import Worker
from ..stats import rollup
from ..stats.block_counts import BlockCounter
from .rescuer import SECOND_CHECK_AFTER_BEAT, Rescuer
from .threads import ThreadGroup

DELETE_WORKERS_AFTER: Final = timedelta(days=1)


class Maintenance:
    """The work of a worker and a dispatcher every ``SWEEP_SECONDS``; calls ``on_rescue`` when jobs were rescued."""

    def __init__(self, thread_group: ThreadGroup, *, on_rescue: Callable[[], None]) -> None:
        self._thread_group = thread_group
        self._on_rescue = on_rescue
        self._rescuer = Rescuer()
        self._blocks = BlockCounter()
        self._files = threading.Thread()

    def run(self) -> None:
        """Do all of it once; where a lease has run out, wait for the rescuer's second check.

        Raises:
            Error: the database is away; the rescuer starts afresh.
        """
        try:
            rescued = self._rescuer.rescue()
            wait = (conf.current().beat + SECOND_CHECK_AFTER_BEAT).total_seconds() + 0.1
            if self._rescuer.has_expired() and not self._thread_group.ended.wait(wait):
                rescued += self._rescuer.rescue()
        except Error:
            self._rescuer.reset()
            raise
        if rescued:
            self._on_rescue()
        Worker.objects.filter(beat_at__lt=Now() - DELETE_WORKERS_AFTER).delete()
        try:
            self._blocks.count()
            rollup.roll_up()
            # On a thread of its own: a storage that hangs keeps no job from its rescue.
            if not self._files.is_alive() and has_left_files():
                self._files = self._thread_group.start(self._remove_left_files, "files")
        except Error as error:
            # Not raised: ``ThreadGroup.repeat`` would soon run the rescuer again, which failed statistics do not need.
            self._thread_group.report(error)

    def _remove_left_files(self) -> None:
        try:
            remove_left_files()
        except Error as error:
            self._thread_group.report(error)
        except Exception as error:  # noqa: BLE001 – a host's storage, which the process need not end for
            self._thread_group.warn("trouble with files", error)
