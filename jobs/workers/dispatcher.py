"""The dispatcher: hands due jobs to the engine that the host has, and sees to it that none is forgotten there.

It only ever wakes an engine up: what runs, when and how often, the row decides. So it may
send too often, and any number of dispatchers may run; it must not send too seldom.
"""

import logging
import os
from collections.abc import Sequence
from functools import partial
from time import monotonic
from typing import Final

from django.db import Error, transaction

from .. import conf, tasks
from ..actions import queue_of
from ..db import clock
from ..db.backoff import backoff
from ..db.connection import home, limited_transaction
from ..lifecycle import reservations
from ..models import Worker
from ..processes.heartbeat import Heartbeat, new_name
from ..processes.listener import Listener, Wake
from ..processes.maintenance import Maintenance
from ..processes.threads import ThreadGroup
from .claim_order import Candidate
from .dispatch_order import DispatchOrder, by_patience, seconds_to_next

logger = logging.getLogger(__name__)

POLL_HEARING_SECONDS: Final = 5.0
POLL_DEAF_SECONDS: Final = 0.5
SHORTEST_POLL_SECONDS: Final = 0.05
LONGEST_WAIT_FOR_ROOM_SECONDS: Final = 1.0
EXIT_AT_THE_LATEST_SECONDS: Final = 9.5
EXIT_FOR_SUPERVISOR: Final = 3


class JobDispatcher:
    """One dispatcher process; :meth:`run` returns its exit status. :meth:`stop` may be called by a signal handler."""

    def __init__(self, *, drain: bool = False) -> None:
        self.name = new_name()
        self.wake = Wake()
        self._drain = drain
        self._order = DispatchOrder()
        self._thread_group = ThreadGroup(self.name, on_failure=self._fall)
        self._heartbeat = Heartbeat(self.name, kind=Worker.Kind.DISPATCHER)
        self._maintenance = Maintenance(self._thread_group, on_rescue=self.wake.set)
        self._listener = Listener(self.wake.set)
        self._stop_at: float | None = None
        self._exit_status = 0
        self._failures = 0
        # For how long no wake-up brings the next pass.
        self._rest_seconds = 0.0
        # Since when there is something to hand over and no queue takes it.
        self._stuck_since: float | None = None

    def run(self) -> int:
        """Hand over until stopped (or, with ``drain``, until no due job waits to be); return the exit status."""
        logger.info("worker=%s started handing jobs to %s", self.name, conf.current().task_backend)
        settings = conf.current()
        self._thread_group.repeat(settings.beat_seconds, self._heartbeat.beat, at_once=True, name="beat")
        self._thread_group.repeat(settings.sweep_seconds, self._maintenance.look, at_once=True, name="sweep")
        self._thread_group.repeat(SHORTEST_POLL_SECONDS, self._see_to_the_end, name="end")
        self._thread_group.repeat(
            1.0, lambda: self._listener.listen(self._thread_group.ended), at_once=True, name="listen"
        )
        while self._stop_at is None and (pause := self._pass_safely()) is not None:
            self._sleep(pause)
        self._leave()
        logger.info("worker=%s ended", self.name)
        return self._exit_status

    def stop(self) -> None:
        """Ask the dispatcher to end, in 10 s at most; what it has handed over is the engine's."""
        if self._stop_at is None:
            self._stop_at = monotonic()
        self.wake.set()

    def hand_over_once(self) -> int:
        """Hand over what is due and not yet handed over, as far as the queues have room; return how many jobs.

        Raises:
            HandOverFailed: the engine did not take some; these are as if never touched.
            Error: the database is away.
        """
        candidates = self._order.choose()
        if not candidates:
            return 0
        taken: list[Candidate] = []
        with limited_transaction():
            for doublings, some in by_patience(candidates, clock.read(home())).items():
                ids = {candidate.job_id for candidate in some}
                won = set(reservations.reserve(sorted(ids), wait=conf.current().reserve * 2**doublings))
                taken += [candidate for candidate in some if candidate.job_id in won]
            order = {candidate.job_id: place for place, candidate in enumerate(candidates)}
            taken.sort(key=lambda candidate: order[candidate.job_id])
            # Not before: a worker that is faster than this commit would find the job as it was, but that is no harm;
            # one handed over by a transaction that is then rolled back would be handed over again at once.
            transaction.on_commit(partial(self._hand_over, taken), using=home().alias)
        return len(taken)

    # ------------------------------------------------------------ one pass (main thread)

    def _sleep(self, seconds: float) -> None:
        """Sleep until woken, but what is to rest rests: news of jobs, however many, are no reason to try it sooner."""
        rest_until = monotonic() + self._rest_seconds
        self.wake.wait(seconds)
        while self._stop_at is None and (left := rest_until - monotonic()) > 0:
            self.wake.wait(left)

    def _pass_safely(self) -> float | None:
        """Hand over once; return how long to sleep, None when a drain is done."""
        self._rest_seconds = 0.0
        try:
            handed = self.hand_over_once()
            pause = self._pause(handed)
        except tasks.HandOverFailed as failure:
            self._thread_group.warn("the engine takes no jobs", failure.cause)
            # The queue is left alone for a while, but it may have hidden jobs of others.
            pause = 0.0
        except Error as error:
            self._thread_group.note_trouble(error)
            self._failures += 1
            self._rest_seconds = backoff(self._failures)
            return self._rest_seconds
        self._failures = 0
        self._rest_seconds = max(self._rest_seconds, self._order.rest_seconds)
        return pause

    def _pause(self, handed: int) -> float | None:
        next_in = None if handed else seconds_to_next()
        if next_in != 0:
            self._stuck_since = None
        if handed:
            return 0.0
        if self._drain and next_in != 0:
            return None
        if next_in == 0:
            return self._pause_for_room()
        poll = conf.current().poll_seconds or (POLL_HEARING_SECONDS if self._listener.is_hearing else POLL_DEAF_SECONDS)
        return poll if next_in is None else min(poll, max(next_in, SHORTEST_POLL_SECONDS))

    def _pause_for_room(self) -> float:
        """Wait as long as there has been no room: a queue that empties fast is looked at soon, one that stands, seldom.

        So none runs dry: when room is found, at most twice as much was taken as makes it worth a search.
        """
        now = monotonic()
        self._stuck_since = self._stuck_since or now
        pause = min(max(now - self._stuck_since, SHORTEST_POLL_SECONDS), LONGEST_WAIT_FOR_ROOM_SECONDS)
        pause = min(pause, self._order.backoff_by_queue.seconds_to_next())
        if not self._order.has_room:
            # A wake-up brings jobs, but no room.
            self._rest_seconds = pause
        return pause

    def _hand_over(self, candidates: Sequence[Candidate]) -> None:
        """Send one after the other; a queue that takes none does not keep others from theirs."""
        failures: dict[str, tasks.HandOverFailed] = {}
        left, sent = [], []
        for candidate in candidates:
            queue = queue_of(candidate.action)
            if queue in failures or self._stop_at is not None:
                left.append(candidate.job_id)
                continue
            try:
                tasks.hand_over(candidate.job_id, action=candidate.action)
            except tasks.HandOverFailed as failure:
                failures[queue] = failure
                self._order.backoff_by_queue.note(candidate.action)
                # Perhaps it was taken and the answer was lost; then it is taken twice, which is no harm.
                left.append(candidate.job_id)
            else:
                self._order.backoff_by_queue.forget(candidate.action)
                sent.append(candidate)
        self._order.note_served(sent)
        if left:
            with limited_transaction():
                reservations.unreserve(left)
        if failures:
            raise next(iter(failures.values()))

    # ------------------------------------------------------------ the end

    def _leave(self) -> None:
        """Leave while :meth:`_see_to_the_end` still looks: a database that is away may hold this for long."""
        self._stop_at = self._stop_at or monotonic()
        try:
            self._heartbeat.leave()
        except Error as error:
            self._thread_group.note_trouble(error)
        self._thread_group.ended.set()

    def _see_to_the_end(self) -> None:
        """End the process if it cannot end by itself: a broker or a database that is away may hold it for long."""
        if self._stop_at is not None and monotonic() - self._stop_at > EXIT_AT_THE_LATEST_SECONDS:
            logger.error("worker=%s could not end in good order", self.name)
            os._exit(EXIT_FOR_SUPERVISOR)

    def _fall(self) -> None:
        """A thread ended by a bug of ours: a process without its beat or its sweep must not go on."""
        self._exit_status = EXIT_FOR_SUPERVISOR
        self.stop()
