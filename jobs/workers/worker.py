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
from ..db.connection import engine_statement, limited_transaction
from ..execution import runner
from ..execution.leases import Leases
from ..lifecycle import transitions
from ..lifecycle.statements import Held
from ..models import Job, Worker
from ..processes.heartbeat import Presence, new_name
from ..processes.listener import Listener, Wake
from ..processes.maintenance import Sweep
from ..processes.releases import Returns
from ..processes.threads import Crew, await_end, backoff
from .buffer import Entry, Line
from .claim_order import ClaimOrder, seconds_to_next
from .prefetch import CLAIM_AHEAD_SECONDS, Appetite

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
        self._line = Line()
        self._order = ClaimOrder()
        self.wake = Wake()
        self._listener = Listener(self.wake.set)
        self._crew = Crew(self.name, on_failure=self._fall)
        self._presence = Presence(self.name, kind=Worker.Kind.WORKER)
        self._sweep = Sweep(self._crew, on_rescue=self.wake.set)
        self._running: dict[int, tuple[Entry, float]] = {}
        self._appetite = Appetite()
        self._stop_at: float | None = None
        self._exit_status = EXIT_OK
        self._returns = Returns(self._leases, worker=self.actor)
        self._alone: Held | None = None
        self._outages = 0

    # ------------------------------------------------------------ from outside

    def run(self) -> int:
        """Work until stopped (or, with ``drain``, until nothing is due); return the exit status."""
        logger.info("worker=%s started with %d threads", self.name, self._threads)
        runners = [self._crew.start(self._serve, f"run-{number}") for number in range(self._threads)]
        settings = conf.current()
        self._crew.repeat(settings.beat_seconds, self._beat, at_once=True, name="beat")
        self._crew.repeat(settings.sweep_seconds, self._sweep.look, at_once=True, name="sweep")
        self._crew.repeat(WATCH_SECONDS, self._watch, name="watch")
        self._crew.repeat(WATCH_SECONDS, self._see_to_the_end, name="end")
        self._crew.repeat(1.0, lambda: self._listener.listen(self._crew.ended), at_once=True, name="listen")
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
            self._returns.work_off()
            claimed = self._claim()
            self._outages = 0
            return self._pause(claimed)
        except Error as error:
            self._crew.note_trouble(error)
            self._outages += 1
            return backoff(self._outages)

    def _pause(self, claimed: int) -> float | None:
        if self._returns:
            return POLL_DEAF_SECONDS
        if claimed or self._line:
            # Room again: a thread wakes us.
            return STALE_IN_LINE_SECONDS / 2
        if len(self._leases):
            return POLL_HEARING_SECONDS if not self._line.idle else self._poll_seconds()
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
        if not self._line.has_room(self._threads) or not quick or (self._alone and self._leases.holds(self._alone)):
            return 0
        self._alone = None
        chosen = self._appetite.choose(
            self._order.candidates(), idle=self._line.idle, quick=quick, holds_any=bool(len(self._leases))
        )
        if not chosen:
            self._line.refill_below = 0
            return 0
        ids = [candidate.job_id for candidate in chosen]
        token, lease, begun = uuid4(), conf.current().lease, ids[: self._line.idle]
        self._returns.expect_claim(token)
        with limited_transaction():
            jobs = transitions.claim(ids, lease_token=token, worker=self.actor, lease=lease, begun_ids=begun)
        failpoints.reach("claimed")
        self._returns.confirm_claim(token)
        self._order.note_served(chosen)
        self._line_up(jobs, token, ids, set(begun))
        return len(jobs)

    def _line_up(self, jobs: list[Job], token: UUID, order: list[int], begun: set[int]) -> None:
        entries = []
        for job in sorted(jobs, key=lambda job: order.index(job.pk)):
            lease = self._leases.add(Held(job_id=job.pk, lease_token=token))
            entries.append(Entry(job=job, lease=lease, begun=job.pk in begun))
            if job.crashes:
                self._alone = lease.held
        self._line.put(entries)

    def _quick_threads(self) -> int:
        """How many threads are idle or have run their job for less than what we claim ahead."""
        now = time.monotonic()
        slow = sum(now - since > CLAIM_AHEAD_SECONDS for _, since in list(self._running.values()))
        return self._threads - slow

    def _release_stale(self) -> None:
        """Give back jobs that stand behind slower ones than we thought: another worker may be free."""
        if self._line.oldest() > STALE_IN_LINE_SECONDS:
            self._returns.add([entry.lease for entry in self._line.take_all()], "The worker was busy.")

    # ------------------------------------------------------------ running (worker threads)

    def _serve(self) -> None:
        while (entry := self._line.get()) is not None:
            following: Entry | None = entry
            while following is not None:
                following = self._run_one(following)

    def _run_one(self, entry: Entry) -> Entry | None:
        """Run one job; return the one that was begun in the same commit, or taken for it."""
        following: list[Entry] = []

        def then() -> Held | None:
            """Take the next in line, once: a finish that is tried again begins the same one."""
            if not following and self._stop_at is None and not self._alone and (taken := self._line.take()):
                following.append(taken)
            return following[0].lease.held if following else None

        started = time.monotonic()
        self._running[threading.get_ident()] = (entry, started)
        try:
            if entry.begun or self._begin(entry):
                ran = runner.run(entry.job, lease=entry.lease, worker=self.actor, then=then)
                for taken in following:
                    taken.begun = ran.next_begun
            self._leases.drop(entry.lease)
        except Error as error:
            self._crew.note_trouble(error)
            self._returns.add([entry.lease], "The database was not available.")
        finally:
            del self._running[threading.get_ident()]
            self._appetite.learn(entry.job.action, time.monotonic() - started)
            if self._line.has_room(self._threads):
                self.wake.set()
        return following[0] if following else None

    def _begin(self, entry: Entry) -> bool:
        with engine_statement():
            return transitions.begin(entry.lease.held)

    # ------------------------------------------------------------ signs of life (further threads)

    def _beat(self) -> None:
        self._leases.renew()
        self._presence.beat()

    def _watch(self) -> None:
        """Take overdue attempts from their actions."""
        for entry, _ in list(self._running.values()):
            if entry.lease.is_overdue() and not entry.lease.lost.is_set():
                entry.lease.lost.set()
                try:
                    runner.lose_attempt(entry.job, lease=entry.lease, worker=self.actor)
                finally:
                    self._leases.drop(entry.lease)
                    # Its thread cannot be killed; a fresh process is the only cure.
                    logger.error("worker=%s has a stuck thread and ends for its supervisor to restart it", self.name)
                    self._exit_status = EXIT_FOR_SUPERVISOR
                    self.stop()

    def _see_to_the_end(self) -> None:
        """End the process if it cannot end by itself; asks no database, which may be why."""
        if self._stop_at is not None and time.monotonic() - self._stop_at > EXIT_AT_THE_LATEST_SECONDS:
            logger.error("worker=%s could not hand %d jobs back in time", self.name, len(self._returns))
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
        self._returns.add([entry.lease for entry in self._line.close()], SHUT_DOWN)
        self._work_off_returns()
        for thread in runners:
            await_end(thread, until=self._stop_at + HAND_BACK_SECONDS, unless=self._is_stuck)
        self._returns.add([lease for lease in self._leases.all() if not lease.lost.is_set()], SHUT_DOWN)
        # What cannot be given back in time, :meth:`_see_to_the_end` leaves to the sweep of others.
        while not self._work_off_returns():
            time.sleep(POLL_DEAF_SECONDS)
        try:
            self._presence.leave()
        except Error as error:
            self._crew.note_trouble(error)
        self._crew.ended.set()
        logger.info("worker=%s ended", self.name)

    def _work_off_returns(self) -> bool:
        try:
            self._returns.work_off()
        except Error as error:
            self._crew.note_trouble(error)
        return not self._returns

    def _is_stuck(self, thread: threading.Thread) -> bool:
        entry, _ = self._running.get(thread.ident or 0, (None, 0.0))
        return entry is not None and entry.lease.lost.is_set()
