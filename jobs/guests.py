"""Our part in a process of somebody else's engine: runs the jobs it is told of, and keeps them alive.

The engine calls on a thread of its own and may do with that as it likes: close its
database connections around each task, raise into it, end it. So jobs run on threads of
ours, whose connections stay open; the engine's thread only waits.
"""

import atexit
import contextlib
import logging
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from queue import SimpleQueue
from types import FrameType
from typing import Final
from uuid import UUID, uuid4

from django.db import Error

from . import conf, failpoints, reservations, runner, transitions
from .actors import Actor
from .claims import is_held_back
from .crew import Crew
from .database import Trouble, classify, engine_statement, limited_transaction
from .leases import Lease, Leases
from .models import Job, Worker
from .moves import Held
from .presence import Presence, new_name
from .returns import Returns
from .status import Status

logger = logging.getLogger(__name__)

WATCH_SECONDS: Final = 0.25
CLAIM_SECONDS: Final = 5.0
# A claim whose connection is lost may wait on the server as long as another transaction holds the row.
LATE_CLAIM_SECONDS: Final = 60.0
HAND_BACK_SECONDS: Final = 8.0
NO_DATABASE: Final = "The database was not available."


class Errand:
    """One call of the engine: a job to run, which may turn out to be none of ours."""

    def __init__(self, job_id: int) -> None:
        self.job_id = job_id
        self.done = threading.Event()
        self.job: Job | None = None
        self.lease: Lease | None = None
        self._stopping = threading.Event()

    def begin(self, job: Job, lease: Lease) -> None:
        """The job is ours from now on."""
        self.job, self.lease = job, lease
        if self._stopping.is_set():
            lease.stopping = self._stopping

    def stop(self) -> None:
        """Let the job end at its next chunk and be handed back, but no other job of this process."""
        self._stopping.set()
        if self.lease is not None:
            self.lease.stopping = self._stopping

    @property
    def is_lost(self) -> bool:
        """Whether its action made no progress for its deadline; its thread is not waited for."""
        return self.lease is not None and self.lease.lost.is_set()


class Guest:
    """What this process of another engine knows of jobs; started by the first one, or when the engine starts."""

    def __init__(self) -> None:
        self.name = new_name()
        self.actor = Actor(kind="worker", name=self.name)
        self._leases = Leases()
        self._crew = Crew(self.name, on_failure=_forget)
        self._presence = Presence(self.name, kind=Worker.Kind.ENGINE)
        self._returns = Returns(self._leases, worker=self.actor)
        self._troubles: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._running: set[Errand] = set()
        self._idle: list[SimpleQueue[Errand | None]] = []

    def start(self) -> None:
        """Beat, and watch over what runs."""
        logger.info("worker=%s started in a process of another engine", self.name)
        self._crew.repeat(conf.current().beat_seconds, self._beat, at_once=True, name="beat")
        self._crew.repeat(WATCH_SECONDS, self._watch, name="watch")
        self._crew.repeat(WATCH_SECONDS, self._give_back, name="returns")

    def run(self, job_id: int) -> None:
        """Claim the job and run it to its outcome, or do nothing: the row decides, not the call.

        Nothing that an action raises comes out of here. What interrupts the engine's thread
        – a time limit, its shutdown – lets the job be handed back at its next chunk.
        """
        errand = Errand(job_id)
        self._hand().put(errand)
        try:
            with _told_of_signals(errand.stop):
                errand.done.wait()
        except BaseException:
            errand.stop()
            errand.done.wait(HAND_BACK_SECONDS)
            raise

    def end(self) -> None:
        """Leave in good order; to be called when no job runs any more."""
        self._crew.ended.set()
        while self._idle:
            self._idle.pop().put(None)
        with contextlib.suppress(Error):
            self._presence.leave()

    # ------------------------------------------------------------ running (threads of ours)

    def _hand(self) -> SimpleQueue[Errand | None]:
        """Return the way to an idle thread; a new one if there is none."""
        with contextlib.suppress(IndexError):
            return self._idle.pop()
        errands: SimpleQueue[Errand | None] = SimpleQueue()
        self._crew.start(partial(self._serve, errands), "run")
        return errands

    def _serve(self, errands: SimpleQueue[Errand | None]) -> None:
        is_free = True
        while is_free and (errand := errands.get()) is not None:
            try:
                self._run_one(errand)
            except Error as error:
                # Not claimed: the reservation runs out, and a dispatcher hands it over again.
                self._crew.note_trouble(error)
            finally:
                # Asked once: what is told to be idle must go on listening.
                is_free = not errand.is_lost and sys.exc_info()[0] is None
                if is_free:
                    self._idle.append(errands)
                errand.done.set()

    def _run_one(self, errand: Errand) -> None:
        job = self._claim(errand.job_id, uuid4())
        if job is None or job.lease_token is None:
            return
        failpoints.reach("claimed")
        lease = self._leases.add(Held(job_id=job.pk, lease_token=job.lease_token))
        errand.begin(job, lease)
        self._running.add(errand)
        try:
            runner.run(job, lease=lease, worker=self.actor, then=_nothing)
            self._leases.drop(lease)
        except Error as error:
            self._crew.note_trouble(error)
            self._troubles.put(lambda: self._returns.add([lease], NO_DATABASE))
        finally:
            self._running.discard(errand)

    def _claim(self, job_id: int, token: UUID) -> Job | None:
        """Claim and begin the job; None: it is not due, has ended, is held back, or is another's.

        Raises:
            Error: the database was away for ``CLAIM_SECONDS``; what the claim takes all the same is given back.
        """
        until = time.monotonic() + CLAIM_SECONDS
        ours = Job.objects.filter(pk=job_id, lease_token=token, status=Status.RUNNING)
        is_first = True
        while True:
            try:
                if is_first:
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
                self._crew.note_trouble(error)
                # A connection that the server closed while it was idle is replaced at once.
                time.sleep(0.0 if is_first else random.uniform(0.05, 0.5))  # noqa: S311 – jitter
                is_first = False

    def _expect_late(self, token: UUID) -> None:
        self._troubles.put(lambda: self._returns.expect_claim(token, patience=LATE_CLAIM_SECONDS))

    def _claim_once(self, job_id: int, token: UUID) -> Job | None:
        if self._leases.stopping.is_set() or is_held_back(job_id):
            with limited_transaction():
                reservations.unreserve([job_id])
            return None
        with engine_statement():
            return transitions.claim_one(job_id, lease_token=token, worker=self.actor, lease=conf.current().lease)

    # ------------------------------------------------------------ signs of life (further threads)

    def _beat(self) -> None:
        self._leases.renew()
        self._presence.beat()

    def _give_back(self) -> None:
        while not self._troubles.empty():
            self._troubles.get()()
        self._returns.work_off()

    def _watch(self) -> None:
        """Notice that the engine ends; take overdue attempts from their actions."""
        if _is_stop_asked and _is_stop_asked():
            self._leases.stopping.set()
        for errand in list(self._running):
            if errand.lease and errand.job and errand.lease.is_overdue() and not errand.is_lost:
                errand.lease.lost.set()
                try:
                    runner.lose_attempt(errand.job, lease=errand.lease, worker=self.actor)
                finally:
                    self._leases.drop(errand.lease)
                    # Threads cannot be killed. It can write nothing any more, and the engine gets its own back.
                    logger.error("worker=%s has a stuck thread; restart the process to be rid of it", self.name)
                    errand.done.set()


_lock = threading.Lock()
_guest: Guest | None = None
_is_stop_asked: Callable[[], bool] | None = None


def current() -> Guest:
    """Return this process's guest; started if it is the first time, also in a fork of one that had one."""
    global _guest
    with _lock:
        if _guest is None:
            _guest = Guest()
            _guest.start()
            atexit.register(_guest.end)
        return _guest


def stop_when(is_asked: Callable[[], bool]) -> None:
    """Hand all jobs back at their next chunk, and claim none, once ``is_asked`` says so; also in forks of this one."""
    global _is_stop_asked
    _is_stop_asked = is_asked


def _forget() -> None:
    """Begin anew with the next job: threads do not live on in a fork, nor does one that fell by a bug of ours."""
    global _guest
    _guest = None


def _forget_in_fork() -> None:
    global _lock
    _lock = threading.Lock()
    if _guest is not None:
        atexit.unregister(_guest.end)
    _forget()


os.register_at_fork(after_in_child=_forget_in_fork)


def _nothing() -> None:
    """No job is begun together with the end of another: the engine names them one by one."""


@contextlib.contextmanager
def _told_of_signals(told: Callable[[], None]) -> Iterator[None]:
    """Hear of the engine's end by the signals that it handles itself, where Python lets us: on the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGTERM, signal.SIGINT)}

    def hear(signum: int, frame: FrameType | None) -> None:
        told()
        theirs = before[signal.Signals(signum)]
        if callable(theirs):
            theirs(signum, frame)

    # What nobody handles ends the process as before.
    heard = [signum for signum, theirs in before.items() if callable(theirs)]
    for signum in heard:
        signal.signal(signum, hear)
    try:
        yield
    finally:
        for signum in heard:
            if signal.getsignal(signum) is hear:
                signal.signal(signum, before[signum])
