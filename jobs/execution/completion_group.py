"""Completes jobs that end on several threads at about the same time by one statement and one commit."""

import logging
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import Error

from ..actors import Actor
from ..db.connection import single_statement
from ..db.errors import ErrorKind, kind_of
from ..lifecycle import transitions
from ..lifecycle.statements import Fence, TransitionResult

logger = logging.getLogger(__name__)


@dataclass(kw_only=True, eq=False)
class _Entry:
    """A job to complete, and the next one of its thread; ``result`` is None until it is known to be completed."""

    fence: Fence
    next_fence: Fence | None
    is_taken: bool = False
    is_written: bool = False
    result: TransitionResult | None = None


class CompletionGroup:
    """The jobs of one process that wait to be completed.

    While ``writers`` threads write, those that come meanwhile wait; then one of them writes for all that wait. So a
    thread that comes alone does not wait, and the more come at once, the less each costs. With one writer, commits
    that take long, on a slow disk or a far server, would follow one another.
    """

    def __init__(self, *, worker: Actor, writers: int) -> None:
        self._worker = worker
        self._free_writers = writers
        self._changed = threading.Condition()
        self._waiting: list[_Entry] = []

    def complete(self, fence: Fence, next_fence: Fence | None) -> TransitionResult | None:
        """Complete a job, and begin the next one of its thread.

        None: it is not known to be completed. Its row was locked, its lease is lost, or the statement failed. The
        caller finds out which by :func:`transitions.complete`, so that no job waits for what is wrong with another.
        """
        entry = _Entry(fence=fence, next_fence=next_fence)
        with self._changed:
            self._waiting.append(entry)
            self._changed.wait_for(lambda: entry.is_taken or self._free_writers)
            if entry.is_taken:
                self._changed.wait_for(lambda: entry.is_written)
                return entry.result
            self._free_writers -= 1
            group, self._waiting = self._waiting, []
            for each in group:
                each.is_taken = True
        try:
            self._write(group)
        finally:
            with self._changed:
                for each in group:
                    each.is_written = True
                self._free_writers += 1
                self._changed.notify_all()
        return entry.result

    def _write(self, group: Sequence[_Entry]) -> None:
        # Two leases on one job, the older one lost: the ids of a result do not tell which of them it is of.
        of_job = Counter(fence.job_id for entry in group for fence in (entry.fence, entry.next_fence) if fence)
        group = [
            entry
            for entry in group
            if of_job[entry.fence.job_id] == 1 and (not entry.next_fence or of_job[entry.next_fence.job_id] == 1)
        ]
        if not group:
            return
        next_fences = [entry.next_fence for entry in group if entry.next_fence]
        fences = [entry.fence for entry in group]
        try:
            with single_statement():
                done = transitions.complete_many(fences, worker=self._worker, next_fences=next_fences)
        except Error as error:
            if kind_of(error) not in (ErrorKind.OUTAGE, ErrorKind.CONFLICT):
                logger.error(
                    "worker=%s %d jobs are completed singly: %s", self._worker, len(group), type(error).__name__
                )
            return
        for entry in group:
            if entry.fence.job_id in done.job_ids:
                begun = entry.next_fence is not None and entry.next_fence.job_id in done.begun_ids
                begun_ids = (entry.next_fence.job_id,) if entry.next_fence and begun else ()
                entry.result = TransitionResult(won=True, job_ids=(entry.fence.job_id,), begun_ids=begun_ids)
