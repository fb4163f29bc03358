"""Our part in a process of somebody else's engine: runs the jobs it is told of, and keeps them alive.

The engine calls on a thread of its own and may do with that as it likes: close its
database connections around each task, raise into it, end it. So jobs run on threads of
ours, whose connections stay open; the engine's thread only waits.
"""

import atexit
import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from queue import SimpleQueue
from typing import Final
from uuid import UUID, uuid4

from django.db import Error

from .. import conf, failpoints
from ..actors import Actor
from ..db.backoff import backoff
from ..db.connection import engine_statement, limited_transaction
from ..db.errors import Trouble, classify
from ..execution import runner
from ..execution.leases import Lease, Leases
from ..lifecycle import reservations, transitions
from ..lifecycle.statements import Fence
from ..models import Job, Worker
from ..models.pause import is_paused
from ..processes.heartbeat import Heartbeat, new_name
from ..processes.releases import ReleaseQueue
from ..processes.threads import ThreadGroup
from ..status import Status
from .delivery import Delivery, notify_on_signals

logger = logging.getLogger(__name__)

WATCH_SECONDS: Final = 0.25
CLAIM_SECONDS: Final = 5.0
# A claim whose connection is lost may wait on the server as long as another transaction holds the row.
LATE_CLAIM_SECONDS: Final = 60.0
HAND_BACK_SECONDS: Final = 8.0
LEAVE_SECONDS: Final = 2.0
NO_DATABASE: Final = "The database was not available."
FELL: Final = "The worker stopped after an error of its own."


class EngineProcess:
    """What this process of another engine knows of jobs; started by the first one, or when the engine starts."""

    def __init__(self) -> None:
        self.name = new_name()
        self.actor = Actor(kind="worker", name=self.name)
        self._leases = Leases()
        self._thread_group = ThreadGroup(self.name, on_failure=self._fall)
        self._heartbeat = Heartbeat(self.name, kind=Worker.Kind.ENGINE)
        self._releases = ReleaseQueue(self._leases, worker=self.actor)
        self._troubles: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._giving_back = threading.Lock()
        self._running: set[Delivery] = set()
        self._idle: list[SimpleQueue[Delivery | None]] = []

    def start(self) -> None:
        """Beat, and watch over what runs."""
        logger.info("worker=%s started in a process of another engine", self.name)
        self._thread_group.repeat(conf.current().beat_seconds, self._beat, at_once=True, name="beat")
        self._thread_group.repeat(WATCH_SECONDS, self._watch, name="watch")
        self._thread_group.repeat(WATCH_SECONDS, self._give_back, name="returns")

    def run(self, job_id: int) -> None:
        """Claim the job and run it to its outcome, or do nothing: the row decides, not the call.

        Nothing that an action raises comes out of here. What interrupts the engine's thread
        – a time limit, its shutdown – lets the job be handed back at its next chunk.
        """
        delivery = Delivery(job_id)
        self._hand().put(delivery)
        try:
            with notify_on_signals(delivery.stop):
                delivery.done.wait()
        except BaseException:
            delivery.stop()
            delivery.done.wait(HAND_BACK_SECONDS)
            raise

    def end(self) -> None:
        """Leave in good order; to be called when no job runs any more."""
        self._thread_group.end(patience=LEAVE_SECONDS)  # first: a beat after it would say that we live
        self._dismiss()
        with contextlib.suppress(Error):
            self._heartbeat.leave()

    # ------------------------------------------------------------ running (threads of ours)

    def _hand(self) -> SimpleQueue[Delivery | None]:
        """Return the way to an idle thread; a new one if there is none."""
        with contextlib.suppress(IndexError):
            return self._idle.pop()
        deliveries: SimpleQueue[Delivery | None] = SimpleQueue()
        self._thread_group.start(partial(self._serve, deliveries), "run")
        return deliveries

    def _serve(self, deliveries: SimpleQueue[Delivery | None]) -> None:
        is_free = True
        while is_free and (delivery := deliveries.get()) is not None:
            try:
                self._run_one(delivery)
            except Error as error:
                # Not claimed: the reservation runs out, and a dispatcher hands it over again.
                self._thread_group.note_trouble(error)
            finally:
                # Asked once: what is told to be idle must go on listening.
                is_free = not delivery.is_lost and sys.exc_info()[0] is None
                if is_free:
                    self._idle.append(deliveries)
                if self._thread_group.ended.is_set():
                    self._dismiss()
                delivery.done.set()

    def _dismiss(self) -> None:
        """Let the idle threads end."""
        with contextlib.suppress(IndexError):
            while True:
                self._idle.pop().put(None)

    def _run_one(self, delivery: Delivery) -> None:
        self._running.add(delivery)
        try:
            job = self._claim(delivery.job_id, uuid4())
            if job is not None and job.lease_token is not None:
                failpoints.reach("claimed")
                lease = self._leases.add(Fence(job_id=job.pk, lease_token=job.lease_token))
                delivery.begin(job, lease)
                self._run_claimed(job, lease)
        finally:
            self._running.discard(delivery)

    def _run_claimed(self, job: Job, lease: Lease) -> None:
        try:
            runner.run(job, lease=lease, worker=self.actor, then=_nothing)
            self._leases.drop(lease)
        except Error as error:
            self._thread_group.note_trouble(error)
            self._troubles.put(lambda: self._releases.add([lease], NO_DATABASE))
        except BaseException:
            # Not the job's fault, unless it happens each time: then its lease runs out, and the sweep counts.
            if job.attempt <= runner.TROUBLES_FORGIVEN:
                self._troubles.put(lambda: self._releases.add([lease], FELL))
            else:
                self._leases.drop(lease)
            raise

    def _claim(self, job_id: int, token: UUID) -> Job | None:
        """Claim and begin the job; None: it is not due, has ended, is held back, or is another's.

        Raises:
            Error: the database was away for ``CLAIM_SECONDS``; what the claim takes all the same is given back.
        """
        until = time.monotonic() + CLAIM_SECONDS
        ours = Job.objects.filter(pk=job_id, lease_token=token, status=Status.RUNNING)
        for failures in count():
            try:
                if not failures:
                    return self._claim_once(job_id, token)
                # The answer to an earlier try's COMMIT may be lost, or it comes while this one waits behind that.
                if job := ours.first() or self._claim_once(job_id, token) or ours.first():
                    return job
                self._expect_late(token)
                return None
            except Error as error:
                if classify(error) not in (Trouble.OUTAGE, Trouble.CONFLICT) or time.monotonic() > until:
                    self._expect_late(token)
                    raise
                self._thread_group.note_trouble(error)
                # A connection that the server closed while it was idle is replaced at once.
                time.sleep(backoff(failures, first=0.05, longest=0.5) if failures else 0.0)
        raise AssertionError("unreachable")

    def _expect_late(self, token: UUID) -> None:
        self._troubles.put(lambda: self._releases.expect_claim(token, patience=LATE_CLAIM_SECONDS))

    def _claim_once(self, job_id: int, token: UUID) -> Job | None:
        if self._leases.stopping.is_set() or is_paused(job_id):
            with limited_transaction():
                reservations.unreserve([job_id])
            return None
        with engine_statement():
            return transitions.claim_one(job_id, lease_token=token, worker=self.actor, lease=conf.current().lease)

    # ------------------------------------------------------------ signs of life (further threads)

    def _beat(self) -> None:
        self._leases.renew()
        self._heartbeat.beat()

    def _give_back(self) -> None:
        with self._giving_back:
            while not self._troubles.empty():
                self._troubles.get()()
            self._releases.release_all()

    def _watch(self) -> None:
        """Notice that the engine ends; take overdue attempts from their actions."""
        if _is_stop_asked and _is_stop_asked():
            self._leases.stopping.set()
        for delivery in list(self._running):
            if delivery.lease and delivery.job and delivery.lease.is_overdue() and not delivery.is_lost:
                delivery.lease.lost.set()
                try:
                    runner.lose_attempt(delivery.job, lease=delivery.lease, worker=self.actor)
                finally:
                    self._leases.drop(delivery.lease)
                    # Threads cannot be killed. It can write nothing any more, and the engine gets its own back.
                    logger.error("worker=%s has a stuck thread; restart the process to be rid of it", self.name)
                    delivery.done.set()

    # ------------------------------------------------------------ a bug of ours (the thread that fell)

    def _fall(self) -> None:
        """Hand all back and leave, as a worker does; the process is the engine's and lives on, with a new guest."""
        try:
            _forget(self)
            self._leases.stopping.set()
            logger.error("worker=%s fell by an error of its own and hands its jobs back", self.name)
            until = time.monotonic() + HAND_BACK_SECONDS
            while any(not delivery.is_lost for delivery in list(self._running)) and time.monotonic() < until:
                time.sleep(WATCH_SECONDS)
            self._troubles.put(self._return_all)
            while not self._troubles.empty() or self._releases:
                try:
                    self._give_back()
                except Error as error:
                    self._thread_group.note_trouble(error)
                time.sleep(WATCH_SECONDS)
        finally:
            # What could not be given back, nobody renews: its lease runs out.
            atexit.unregister(self.end)
            self.end()

    def _return_all(self) -> None:
        self._releases.add([lease for lease in self._leases.all() if not lease.lost.is_set()], FELL)


_lock = threading.Lock()
_process: EngineProcess | None = None
_is_stop_asked: Callable[[], bool] | None = None


def current() -> EngineProcess:
    """Return this process's guest; started if it is the first time, also in a fork of one that had one."""
    global _process
    with _lock:
        if _process is None:
            _process = EngineProcess()
            _process.start()
            atexit.register(_process.end)
        return _process


def stop_when(is_asked: Callable[[], bool]) -> None:
    """Hand all jobs back at their next chunk, and claim none, once ``is_asked`` says so; also in forks of this one."""
    global _is_stop_asked
    _is_stop_asked = is_asked


def _forget(process: EngineProcess) -> None:
    """Begin anew with the next job, unless that has begun already."""
    global _process
    with _lock:
        if _process is process:
            _process = None


def _forget_in_fork() -> None:
    """Begin anew with the next job: threads do not live on in a fork."""
    global _process, _lock
    _lock = threading.Lock()
    if _process is not None:
        atexit.unregister(_process.end)
    _process = None


os.register_at_fork(after_in_child=_forget_in_fork)


def _nothing() -> None:
    """No job is begun together with the end of another: the engine names them one by one."""
