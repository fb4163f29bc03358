"""The dispatcher process: sends due jobs to the host's engine, and sends them again if nobody claims them.

A sent task only wakes the engine; the job's row decides what runs, when and how often. So any
number of dispatchers may run, and a job may be sent too often, but never too seldom.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from itertools import takewhile
from time import monotonic
from typing import Final

from django.db import transaction

from .. import conf, tasks
from ..actions import queue_of
from ..db import clock
from ..db.connection import jobs_connection, limited_transaction
from ..lifecycle import reservations
from ..models import Worker
from ..processes.process import CommandProcess
from .claim_order import Candidate
from .dispatch_order import DispatchOrder, by_doublings, seconds_to_next

logger = logging.getLogger(__name__)

POLL_WITHOUT_NOTIFY_SECONDS: Final = 0.5
SHORTEST_POLL_SECONDS: Final = 0.05
LONGEST_WAIT_FOR_ROOM_SECONDS: Final = 1.0


class JobDispatcher(CommandProcess):
    """One dispatcher process; :meth:`run` returns its exit status. Jobs that it has sent stay with the engine."""

    def __init__(self, *, drain: bool = False) -> None:
        super().__init__(Worker.Kind.DISPATCHER, drain=drain)
        self._order = DispatchOrder()
        # How long the next sleep lasts at least, whatever wakes the process.
        self._rest_seconds = 0.0
        # Since when there are jobs to dispatch and no queue takes them.
        self._stuck_since: float | None = None

    def dispatch_once(self) -> int:
        """Dispatch the due jobs that are not dispatched yet and fit into their queues; return how many.

        Raises:
            HandOverFailed: the engine did not take some jobs; they stay as they were.
            Error: the database is away.
        """
        candidates = self._order.choose()
        if not candidates:
            return 0
        reserved: set[int] = set()
        with limited_transaction():
            for doublings, some in by_doublings(candidates, clock.read(jobs_connection())).items():
                ids = sorted(candidate.job_id for candidate in some)
                reserved.update(reservations.reserve(ids, wait=conf.current().reserve * 2**doublings))
            ours = [candidate for candidate in candidates if candidate.job_id in reserved]
            # After the commit: if it were rolled back after sending, the job would be sent again at once.
            transaction.on_commit(partial(self._send, ours), using=jobs_connection().alias)
        return len(ours)

    def _start(self) -> None:
        logger.info("worker=%s started dispatching jobs to %s", self.name, conf.current().task_backend)
        super()._start()

    def _work(self) -> float | None:
        """Dispatch once; return how many seconds to sleep, None when a drain is done."""
        self._rest_seconds = 0.0
        try:
            seconds = self._seconds_to_sleep(self.dispatch_once())
        except tasks.HandOverFailed as failure:
            self._thread_group.warn("the engine takes no jobs", failure.cause)
            # The queue that refused is in back-off now, but its jobs may have hidden jobs of other queues.
            seconds = 0.0
        self._rest_seconds = max(self._rest_seconds, self._order.rest_seconds)
        return seconds

    def _sleep(self, seconds: float) -> None:
        """Sleep until woken, but no shorter than the rest: new jobs do not make another try more useful."""
        rest_until = monotonic() + (seconds if self._failures else self._rest_seconds)
        super()._sleep(seconds)
        while self._stop_at is None and (left := rest_until - monotonic()) > 0:
            super()._sleep(left)

    def _seconds_to_sleep(self, dispatched: int) -> float | None:
        next_in = None if dispatched else seconds_to_next()
        if next_in != 0:
            self._stuck_since = None
        if dispatched:
            return 0.0
        if self._drain and next_in != 0:
            return None
        if next_in == 0:
            return self._seconds_to_wait_for_room()
        poll = self._poll_seconds(without_notify=POLL_WITHOUT_NOTIFY_SECONDS)
        return poll if next_in is None else min(poll, max(next_in, SHORTEST_POLL_SECONDS))

    def _seconds_to_wait_for_room(self) -> float:
        """Return how long there has been no room: a short wait if a queue empties fast, a long one if it is stuck.

        The queue does not run empty meanwhile: at most twice ``ROOM_WORTH_A_SEARCH`` jobs are claimed from it.
        """
        now = monotonic()
        self._stuck_since = self._stuck_since or now
        seconds = min(max(now - self._stuck_since, SHORTEST_POLL_SECONDS), LONGEST_WAIT_FOR_ROOM_SECONDS)
        seconds = min(seconds, self._order.queue_backoff.seconds_to_next())
        if not self._order.has_room:
            self._rest_seconds = seconds  # being woken means new jobs, not more room
        return seconds

    def _send(self, candidates: Sequence[Candidate]) -> None:
        """Send the jobs, queue by queue; a queue that takes none delays no other.

        Raises:
            HandOverFailed: the first failure, after all jobs that were not sent are no longer reserved.
        """
        queues: dict[str, list[Candidate]] = defaultdict(list)
        for candidate in candidates:
            queues[queue_of(candidate.action)].append(candidate)
        taken: set[int] = set()
        failures = []
        for jobs in queues.values():
            going = takewhile(lambda _: self._stop_at is None, jobs)
            ids, failure = tasks.dispatch_many((job.job_id, job.action) for job in going)
            taken.update(ids)
            if ids:
                self._order.queue_backoff.clear(jobs[0].action)
            if failure:
                failures.append(failure)
                self._order.queue_backoff.add_failure(jobs[0].action)
        self._order.note_turns(candidate for candidate in candidates if candidate.job_id in taken)
        # If the engine took a job and only the answer was lost, it is sent twice, which does no harm.
        if unsent := [candidate.job_id for candidate in candidates if candidate.job_id not in taken]:
            with limited_transaction():
                reservations.unreserve(unsent)
        if failures:
            raise failures[0]
