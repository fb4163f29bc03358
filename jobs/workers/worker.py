"""The worker process: claims due jobs and runs them on its own threads, with no broker.

The main thread claims and, at the end, releases; ``threads`` threads run jobs; one more ends
attempts past their deadline. Each thread keeps a database connection of its own.
"""

import logging
import threading
import time
from typing import Final
from uuid import uuid4

from .. import conf
from ..db import failpoints
from ..db.connection import limited_transaction, single_statement
from ..execution import runner
from ..execution.completion_group import CompletionGroup
from ..lifecycle import transitions
from ..lifecycle.statements import Fence
from ..models import Worker
from ..processes.process import (
    EXIT_FOR_SUPERVISOR,
    NEXT_CHUNK_SECONDS,
    POLL_WITH_NOTIFY_SECONDS,
    WATCH_SECONDS,
    CommandProcess,
)
from .buffer import ClaimBuffer, ClaimedJob
from .claim_order import ClaimOrder, seconds_to_next
from .prefetch import CLAIM_AHEAD_SECONDS, PrefetchLimit

logger = logging.getLogger(__name__)

STALE_SECONDS: Final = 2.0
SHORTEST_POLL_SECONDS: Final = 0.1
# How long a stopping worker tries to release the jobs of actions that have reached no chunk.
RELEASE_SECONDS: Final = 1.0
SHUT_DOWN: Final = "The worker shut down."


class JobWorker(CommandProcess):
    """One worker process; :meth:`run` returns its exit status. ``threads``: how many jobs it runs at once."""

    def __init__(self, *, threads: int = 4, drain: bool = False) -> None:
        super().__init__(Worker.Kind.WORKER, drain=drain)
        self._threads = threads
        self._runners: list[threading.Thread] = []
        self._group = CompletionGroup(worker=self.actor, writers=threads // 2) if threads > 2 else None
        self._buffer = ClaimBuffer()
        self._order = ClaimOrder()
        self._prefetch = PrefetchLimit()
        # By thread id: the job it runs, and since when by the monotonic clock.
        self._running: dict[int, tuple[ClaimedJob, float]] = {}
        # The job that must run alone, while it does.
        self._solo: Fence | None = None

    def _start(self) -> None:
        logger.info("worker=%s started with %d threads", self.name, self._threads)
        super()._start()
        self._runners = [self._thread_group.start(self._run_jobs, f"run-{number}") for number in range(self._threads)]
        self._thread_group.repeat(WATCH_SECONDS, self._watch, name="watch")

    def _work(self) -> float | None:
        """Release jobs that waited too long, claim others; return the seconds to sleep, None when a drain is done."""
        if self._buffer.oldest() > STALE_SECONDS:
            # The jobs before these take longer than expected; another worker may be free.
            self._releases.add([claimed.lease for claimed in self._buffer.take_all()], "The worker was busy.")
        self._releases.release_all()
        return self._seconds_to_sleep(self._claim())

    def _seconds_to_sleep(self, claimed: int) -> float | None:
        if self._releases:
            return SHORTEST_POLL_SECONDS
        if claimed or self._buffer:
            return STALE_SECONDS / 2  # a thread wakes us when there is room again
        if len(self._leases) and not self._buffer.idle:
            return POLL_WITH_NOTIFY_SECONDS
        if self._drain and not len(self._leases):
            return SHORTEST_POLL_SECONDS if seconds_to_next() == 0 else None
        poll = self._poll_seconds(without_notify=SHORTEST_POLL_SECONDS)
        if not self._listener.is_receiving:
            return poll
        due_in = seconds_to_next()
        # A job that is due now and was not claimed has gone to another worker, or must wait to run alone.
        return poll if due_in is None else min(poll, max(due_in, SHORTEST_POLL_SECONDS))

    def _claim(self) -> int:
        """Claim jobs and put them into the buffer; return how many."""
        now = time.monotonic()
        quick = self._threads - sum(now - since > CLAIM_AHEAD_SECONDS for _, since in list(self._running.values()))
        if not self._buffer.has_room(self._threads) or not quick or (self._solo and self._leases.has(self._solo)):
            return 0
        self._solo = None
        chosen = self._prefetch.choose(
            self._order.candidates(), idle=self._buffer.idle, quick=quick, has_leases=bool(len(self._leases))
        )
        if not chosen:
            self._buffer.refill_below = 0
            return 0
        ids = [candidate.job_id for candidate in chosen]
        token, length, begun = uuid4(), conf.current().lease, ids[: self._buffer.idle]
        self._releases.expect_claim(token)
        with limited_transaction():
            jobs = transitions.claim(ids, lease_token=token, worker=self.actor, lease=length, begun_ids=begun)
        failpoints.reach("claimed")
        self._releases.confirm_claim(token)
        self._order.note_turns(chosen)
        entries = []
        for job in sorted(jobs, key=lambda job: ids.index(job.pk)):
            lease = self._leases.add(Fence(job_id=job.pk, lease_token=token))
            entries.append(ClaimedJob(job=job, lease=lease, begun=job.pk in begun))
            if job.crashes:
                self._solo = lease.fence
        self._buffer.put(entries)
        return len(jobs)

    def _run_jobs(self) -> None:
        following: ClaimedJob | None = None
        while (claimed := following or self._buffer.get()) is not None:
            following = self._run_one(claimed)

    def _run_one(self, claimed: ClaimedJob) -> ClaimedJob | None:
        """Run one job; return the next one if it was taken from the buffer to begin in the same commit."""
        following: ClaimedJob | None = None

        def begin_next() -> Fence | None:
            """Take the next job, once: a second try of the commit must begin the same one."""
            nonlocal following
            if following is None and self._stop_at is None and not self._solo:
                following = self._buffer.take()
            return following.lease.fence if following else None

        started = time.monotonic()
        self._running[threading.get_ident()] = (claimed, started)
        try:
            with self._running_claimed(claimed.job, claimed.lease):
                if claimed.begun or self._begin(claimed):
                    ran = runner.run(
                        claimed.job, lease=claimed.lease, worker=self.actor, begin_next=begin_next, group=self._group
                    )
                    if following:
                        following.begun = ran.next_begun
        finally:
            del self._running[threading.get_ident()]
            self._prefetch.learn(claimed.job.action, time.monotonic() - started)
            if self._buffer.has_room(self._threads):
                self.wake.set()
        return following

    def _begin(self, claimed: ClaimedJob) -> bool:
        with single_statement():
            return transitions.begin(claimed.lease.fence)

    def _watch(self) -> None:
        for claimed, _ in list(self._running.values()):
            self._end_overdue_attempt(claimed.job, claimed.lease, on_stuck_thread=self._on_stuck_thread)

    def _on_stuck_thread(self) -> None:
        """End the process: a thread cannot be killed otherwise."""
        logger.error("worker=%s has a stuck thread and ends for its supervisor to restart it", self.name)
        self._end_for_restart()

    def _end(self) -> None:
        """Let running jobs reach their next chunk, release all jobs, then end."""
        until = (self._stop_at or time.monotonic()) + NEXT_CHUNK_SECONDS
        self._leases.stopping.set()
        self._releases.add([claimed.lease for claimed in self._buffer.close()], SHUT_DOWN)
        self._try_release()
        for thread in self._runners:
            while thread.is_alive() and not self._is_given_up(thread) and (left := until - time.monotonic()) > 0:
                thread.join(min(WATCH_SECONDS, left))
        self._releases.add_all(SHUT_DOWN)
        while not self._try_release():
            time.sleep(SHORTEST_POLL_SECONDS)
            if time.monotonic() - until > RELEASE_SECONDS:
                logger.error("worker=%s ends in time; %d jobs are not released", self.name, len(self._releases))
                self._exit_status = EXIT_FOR_SUPERVISOR
                break
        super()._end()

    def _is_given_up(self, thread: threading.Thread) -> bool:
        claimed, _ = self._running.get(thread.ident or 0, (None, 0.0))
        return claimed is not None and claimed.lease.given_up.is_set()
