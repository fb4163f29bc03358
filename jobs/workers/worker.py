"""The embedded worker: claims due jobs and runs them on its own threads, with no broker.

The main thread claims; ``threads`` run; further threads beat, sweep, watch deadlines and
listen, each with a database connection of its own, kept open.
"""

import logging
import os
import threading
import time
from typing import Final
from uuid import UUID, uuid4

from django.db import Error

from .. import conf, failpoints
from ..actors import Actor
from ..db.backoff import backoff
from ..db.connection import engine_statement, limited_transaction
from ..execution import runner
from ..execution.leases import Leases
from ..lifecycle import transitions
from ..lifecycle.statements import Fence
from ..models import Job, Worker
from ..processes.heartbeat import Heartbeat, new_name
from ..processes.listener import Listener, Wake
from ..processes.maintenance import Maintenance
from ..processes.releases import ReleaseQueue
from ..processes.threads import ThreadGroup, await_end
from .buffer import ClaimBuffer, ClaimedJob
from .claim_order import ClaimOrder, seconds_to_next
from .prefetch import CLAIM_AHEAD_SECONDS, PrefetchLimit

logger = logging.getLogger(__name__)

STALE_IN_LINE_SECONDS: Final = 2.0
HAND_BACK_SECONDS: Final = 8.0
EXIT_AT_THE_LATEST_SECONDS: Final = 9.5
POLL_HEARING_SECONDS: Final = 5.0
POLL_DEAF_SECONDS: Final = 0.1
WATCH_SECONDS: Final = 0.25
SHUT_DOWN: Final = "The worker shut down."
EXIT_OK: Final = 0
EXIT_FOR_SUPERVISOR: Final = 3


class JobWorker:
    """One worker process; :meth:`run` returns its exit status.

    ``drain``: run what is due, then end. :meth:`stop` may be called by a signal handler.
    """

    def __init__(self, *, threads: int = 4, drain: bool = False) -> None:
        self.name = new_name()
        self.actor = Actor(kind="worker", name=self.name)
        self._threads = threads
        self._drain = drain
        self._leases = Leases()
        self._buffer = ClaimBuffer()
        self._order = ClaimOrder()
        self.wake = Wake()
        self._listener = Listener(self.wake.set)
        self._thread_group = ThreadGroup(self.name, on_failure=self._fall)
        self._heartbeat = Heartbeat(self.name, kind=Worker.Kind.WORKER)
        self._maintenance = Maintenance(self._thread_group, on_rescue=self.wake.set)
        self._running: dict[int, tuple[ClaimedJob, float]] = {}
        self._prefetch = PrefetchLimit()
        self._stop_at: float | None = None
        self._exit_status = EXIT_OK
        self._releases = ReleaseQueue(self._leases, worker=self.actor)
        self._solo: Fence | None = None
        self._outages = 0

    # ------------------------------------------------------------ from outside

    def run(self) -> int:
        """Work until stopped (or, with ``drain``, until nothing is due); return the exit status."""
        logger.info("worker=%s started with %d threads", self.name, self._threads)
        runners = [self._thread_group.start(self._serve, f"run-{number}") for number in range(self._threads)]
        settings = conf.current()
        self._thread_group.repeat(settings.beat_seconds, self._beat, at_once=True, name="beat")
        self._thread_group.repeat(settings.sweep_seconds, self._maintenance.look, at_once=True, name="sweep")
        self._thread_group.repeat(WATCH_SECONDS, self._watch, name="watch")
        self._thread_group.repeat(WATCH_SECONDS, self._see_to_the_end, name="end")
        self._thread_group.repeat(
            1.0, lambda: self._listener.listen(self._thread_group.ended), at_once=True, name="listen"
        )
        while self._stop_at is None:
            pause = self._claim_safely()
            if pause is None:
                break
            self.wake.wait(pause)
        self._hand_back(runners)
        return self._exit_status

    def stop(self) -> None:
        """Ask the worker to hand its jobs back and end, in 10 s at most."""
        if self._stop_at is None:
            self._stop_at = time.monotonic()
        self.wake.set()

    # ------------------------------------------------------------ claiming (main thread)

    def _claim_safely(self) -> float | None:
        """Claim what there is room for; return how long to sleep, None when a drain is done."""
        try:
            self._release_stale()
            self._releases.release_all()
            claimed = self._claim()
            self._outages = 0
            return self._pause(claimed)
        except Error as error:
            self._thread_group.note_trouble(error)
            self._outages += 1
            return backoff(self._outages)

    def _pause(self, claimed: int) -> float | None:
        if self._releases:
            return POLL_DEAF_SECONDS
        if claimed or self._buffer:
            # Room again: a thread wakes us.
            return STALE_IN_LINE_SECONDS / 2
        if len(self._leases):
            return POLL_HEARING_SECONDS if not self._buffer.idle else self._poll_seconds()
        if self._drain:
            return POLL_DEAF_SECONDS if seconds_to_next() == 0 else None
        return self._poll_seconds()

    def _poll_seconds(self) -> float:
        if not self._listener.is_hearing:
            return conf.current().poll_seconds or POLL_DEAF_SECONDS
        poll = conf.current().poll_seconds or POLL_HEARING_SECONDS
        due_in = seconds_to_next()
        # A due job that we did not claim is another's, or must wait to run alone.
        return poll if due_in is None else min(poll, max(due_in, POLL_DEAF_SECONDS))

    def _claim(self) -> int:
        quick = self._quick_threads()
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
        token, lease, begun = uuid4(), conf.current().lease, ids[: self._buffer.idle]
        self._releases.expect_claim(token)
        with limited_transaction():
            jobs = transitions.claim(ids, lease_token=token, worker=self.actor, lease=lease, begun_ids=begun)
        failpoints.reach("claimed")
        self._releases.confirm_claim(token)
        self._order.note_served(chosen)
        self._add_claimed(jobs, token, ids, set(begun))
        return len(jobs)

    def _add_claimed(self, jobs: list[Job], token: UUID, order: list[int], begun: set[int]) -> None:
        entries = []
        for job in sorted(jobs, key=lambda job: order.index(job.pk)):
            lease = self._leases.add(Fence(job_id=job.pk, lease_token=token))
            entries.append(ClaimedJob(job=job, lease=lease, begun=job.pk in begun))
            if job.crashes:
                self._solo = lease.fence
        self._buffer.put(entries)

    def _quick_threads(self) -> int:
        """How many threads are idle or have run their job for less than what we claim ahead."""
        now = time.monotonic()
        slow = sum(now - since > CLAIM_AHEAD_SECONDS for _, since in list(self._running.values()))
        return self._threads - slow

    def _release_stale(self) -> None:
        """Give back jobs that stand behind slower ones than we thought: another worker may be free."""
        if self._buffer.oldest() > STALE_IN_LINE_SECONDS:
            self._releases.add([claimed.lease for claimed in self._buffer.take_all()], "The worker was busy.")

    # ------------------------------------------------------------ running (worker threads)

    def _serve(self) -> None:
        while (claimed := self._buffer.get()) is not None:
            following: ClaimedJob | None = claimed
            while following is not None:
                following = self._run_one(following)

    def _run_one(self, claimed: ClaimedJob) -> ClaimedJob | None:
        """Run one job; return the one that was begun in the same commit, or taken for it."""
        following: list[ClaimedJob] = []

        def then() -> Fence | None:
            """Take the next in line, once: a finish that is tried again begins the same one."""
            if not following and self._stop_at is None and not self._solo and (taken := self._buffer.take()):
                following.append(taken)
            return following[0].lease.fence if following else None

        started = time.monotonic()
        self._running[threading.get_ident()] = (claimed, started)
        try:
            if claimed.begun or self._begin(claimed):
                ran = runner.run(claimed.job, lease=claimed.lease, worker=self.actor, then=then)
                for taken in following:
                    taken.begun = ran.next_begun
            self._leases.drop(claimed.lease)
        except Error as error:
            self._thread_group.note_trouble(error)
            self._releases.add([claimed.lease], "The database was not available.")
        finally:
            del self._running[threading.get_ident()]
            self._prefetch.learn(claimed.job.action, time.monotonic() - started)
            if self._buffer.has_room(self._threads):
                self.wake.set()
        return following[0] if following else None

    def _begin(self, claimed: ClaimedJob) -> bool:
        with engine_statement():
            return transitions.begin(claimed.lease.fence)

    # ------------------------------------------------------------ signs of life (further threads)

    def _beat(self) -> None:
        self._leases.renew()
        self._heartbeat.beat()

    def _watch(self) -> None:
        """Take overdue attempts from their actions."""
        for claimed, _ in list(self._running.values()):
            if claimed.lease.is_overdue() and not claimed.lease.lost.is_set():
                claimed.lease.lost.set()
                try:
                    runner.lose_attempt(claimed.job, lease=claimed.lease, worker=self.actor)
                finally:
                    self._leases.drop(claimed.lease)
                    # Its thread cannot be killed; a fresh process is the only cure.
                    logger.error("worker=%s has a stuck thread and ends for its supervisor to restart it", self.name)
                    self._exit_status = EXIT_FOR_SUPERVISOR
                    self.stop()

    def _see_to_the_end(self) -> None:
        """End the process if it cannot end by itself; asks no database, which may be why."""
        if self._stop_at is not None and time.monotonic() - self._stop_at > EXIT_AT_THE_LATEST_SECONDS:
            logger.error("worker=%s could not hand %d jobs back in time", self.name, len(self._releases))
            os._exit(EXIT_FOR_SUPERVISOR)

    def _fall(self) -> None:
        """A thread ended by a bug of ours: a process without its beat or its sweep must not go on."""
        self._exit_status = EXIT_FOR_SUPERVISOR
        self.stop()

    # ------------------------------------------------------------ the end

    def _hand_back(self, runners: list[threading.Thread]) -> None:
        """Stop at the next chunk, give every job back, and leave."""
        self._stop_at = self._stop_at or time.monotonic()
        self._leases.stopping.set()
        self._releases.add([claimed.lease for claimed in self._buffer.close()], SHUT_DOWN)
        self._release_all()
        for thread in runners:
            await_end(thread, until=self._stop_at + HAND_BACK_SECONDS, unless=self._is_stuck)
        self._releases.add([lease for lease in self._leases.all() if not lease.lost.is_set()], SHUT_DOWN)
        # What cannot be given back in time, :meth:`_see_to_the_end` leaves to the sweep of others.
        while not self._release_all():
            time.sleep(POLL_DEAF_SECONDS)
        try:
            self._heartbeat.leave()
        except Error as error:
            self._thread_group.note_trouble(error)
        self._thread_group.ended.set()
        logger.info("worker=%s ended", self.name)

    def _release_all(self) -> bool:
        try:
            self._releases.release_all()
        except Error as error:
            self._thread_group.note_trouble(error)
        return not self._releases

    def _is_stuck(self, thread: threading.Thread) -> bool:
        claimed, _ = self._running.get(thread.ident or 0, (None, 0.0))
        return claimed is not None and claimed.lease.lost.is_set()
