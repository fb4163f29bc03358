"""The engine process: our runtime inside an engine's worker process, which runs the jobs that deliveries name.

The engine calls on its own thread, and may close that thread's connections around each task,
raise into it, or end it. So jobs run on threads of this app, whose connections stay open, and the
engine's thread only waits.
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

from .. import conf
from ..db import failpoints
from ..db.backoff import backoff
from ..db.connection import jobs_connection, limited_transaction, single_statement
from ..db.errors import ErrorKind, kind_of
from ..db.timeouts import answer_within
from ..execution import runner
from ..execution.leases import Lease
from ..lifecycle import reservations, transitions
from ..lifecycle.statements import Fence
from ..models import Job, Worker
from ..models.pause import is_paused
from ..processes.process import EXIT_AT_THE_LATEST_SECONDS, NEXT_CHUNK_SECONDS, WATCH_SECONDS, Process
from ..processes.watchdog import WATCHDOG
from ..status import Status
from .delivery import Delivery, calling_on_signals

logger = logging.getLogger(__name__)

CLAIM_SECONDS: Final = 5.0
# A claim whose connection is lost may wait on the server as long as another transaction locks the row.
LATE_CLAIM_SECONDS: Final = 60.0
END_SECONDS: Final = 2.0
THREAD_FAILED: Final = "The worker stopped after an error of its own."


class EngineProcess(Process):
    """Claims and runs the jobs that are delivered to one process of the engine; see :func:`current`."""

    def __init__(self) -> None:
        super().__init__(Worker.Kind.ENGINE)
        self._running: set[Delivery] = set()
        self._deliveries: SimpleQueue[Delivery | None] = SimpleQueue()  # None ends a thread
        self._idle_threads = threading.Semaphore(0)

    def start(self) -> None:
        """Start the threads that send the heartbeat, watch what runs, and release jobs."""
        logger.info("worker=%s started in a process of another engine", self.name)
        self._start()
        self._thread_group.repeat(WATCH_SECONDS, self._watch, name="watch")
        self._thread_group.repeat(WATCH_SECONDS, self._releases.release_all, name="release")

    def run(self, job_id: int) -> None:
        """Claim the job and run it to its outcome, or do nothing: the row decides, not the delivery.

        Raises nothing that an action raises. An exception that the engine raises into its
        thread (a time limit, a shutdown) is raised again after the job was released at its
        next chunk, or after ``NEXT_CHUNK_SECONDS``.
        """
        delivery = Delivery(job_id)
        if not self._idle_threads.acquire(blocking=False):
            self._thread_group.start(self._run_deliveries, "run")
        self._deliveries.put(delivery)
        try:
            with calling_on_signals(delivery.stop):
                delivery.done.wait()
        except BaseException:
            delivery.stop()
            delivery.done.wait(NEXT_CHUNK_SECONDS)
            raise

    def end(self) -> None:
        """End the threads and delete the heartbeat's row; to be called at the end of the process, when no job runs."""
        WATCHDOG.end_within(EXIT_AT_THE_LATEST_SECONDS)
        self._end()

    def _end(self) -> None:
        self._thread_group.end(patience=END_SECONDS)
        self._end_idle_threads()
        with contextlib.suppress(Error), answer_within(END_SECONDS, jobs_connection()):
            self._heartbeat.leave()

    def _run_deliveries(self) -> None:
        is_free = True
        while is_free and (delivery := self._deliveries.get()) is not None:
            try:
                self._run_one(delivery)
            except Error as error:
                # The job was not claimed: when its reservation has run out, a dispatcher sends it again.
                self._thread_group.report(error)
            finally:
                # Evaluated once: a thread that counts as idle must wait for its next delivery.
                is_free = not delivery.is_stuck and sys.exc_info()[0] is None
                if is_free:
                    self._idle_threads.release()
                if self._thread_group.ended.is_set():
                    self._end_idle_threads()
                delivery.done.set()

    def _end_idle_threads(self) -> None:
        while self._idle_threads.acquire(blocking=False):
            self._deliveries.put(None)

    def _run_one(self, delivery: Delivery) -> None:
        self._running.add(delivery)
        try:
            token = uuid4()
            if job := self._claim(delivery.job_id, token):
                failpoints.reach("claimed")
                lease = self._leases.add(Fence(job_id=job.pk, lease_token=token))
                delivery.set_claimed(job, lease)
                self._run_claimed(job, lease)
        finally:
            self._running.discard(delivery)

    def _run_claimed(self, job: Job, lease: Lease) -> None:
        with self._running_claimed(job, lease):
            runner.run(job, lease=lease, worker=self.actor)

    def _claim(self, job_id: int, token: UUID) -> Job | None:
        """Claim and begin the job; None: it is not due, has ended, is paused, or is another worker's.

        Raises:
            Error: the database was away for ``CLAIM_SECONDS``; if the claim commits later, the job is released.
        """
        until = time.monotonic() + CLAIM_SECONDS
        ours = Job.objects.filter(pk=job_id, lease_token=token, status=Status.RUNNING)
        for failures in count():
            try:
                if not failures:
                    return self._claim_once(job_id, token)
                # An earlier try may have committed without an answer, or commit while this one waits for the row.
                if job := ours.first() or self._claim_once(job_id, token) or ours.first():
                    return job
                self._releases.expect_claim(token, patience=LATE_CLAIM_SECONDS)
                return None
            except Error as error:
                if kind_of(error) not in (ErrorKind.OUTAGE, ErrorKind.CONFLICT) or time.monotonic() > until:
                    self._releases.expect_claim(token, patience=LATE_CLAIM_SECONDS)
                    raise
                self._thread_group.report(error)
                # A connection that the server closed while it was idle is replaced at once.
                time.sleep(backoff(failures, first=0.05, longest=0.5) if failures else 0.0)
        raise AssertionError("unreachable")

    def _claim_once(self, job_id: int, token: UUID) -> Job | None:
        is_stopping, job = self._leases.stopping.is_set(), None
        if not is_stopping:
            with single_statement():
                job = transitions.claim_one(job_id, lease_token=token, worker=self.actor, lease=conf.current().lease)
        if job is None and (is_stopping or is_paused(job_id)):
            with limited_transaction():
                reservations.unreserve([job_id])
        return job

    def _watch(self) -> None:
        """Stop running jobs when the engine ends; end attempts of actions that make no progress."""
        if _is_stop_asked and _is_stop_asked():
            self._leases.stopping.set()
        for delivery in list(self._running):
            if delivery.job and delivery.lease:
                on_stuck_thread = partial(self._give_thread_back, delivery)
                self._end_overdue_attempt(delivery.job, delivery.lease, on_stuck_thread=on_stuck_thread)

    def _give_thread_back(self, delivery: Delivery) -> None:
        """Let the engine's thread go on. Ours stays stuck, and can write nothing any more."""
        logger.error("worker=%s has a stuck thread; restart the process to be rid of it", self.name)
        delivery.is_stuck = True
        delivery.done.set()

    def _end_for_restart(self) -> None:
        """Release all jobs and end; the next delivery starts another :class:`EngineProcess`."""
        try:
            _forget(self)
            self._leases.stopping.set()
            logger.error("worker=%s ends after an unexpected error and releases its jobs", self.name)
            until = time.monotonic() + NEXT_CHUNK_SECONDS
            while any(not delivery.is_given_up for delivery in list(self._running)) and time.monotonic() < until:
                time.sleep(WATCH_SECONDS)
            self._releases.add_all(THREAD_FAILED)
            while not self._try_release():
                time.sleep(WATCH_SECONDS)
        finally:
            # Leases of jobs that could not be released run out: nobody renews them.
            atexit.unregister(self.end)
            self._end()
            with _lock:
                if _process is None:  # else the next one is watched already
                    WATCHDOG.stop()  # the operating system's process lives on


_lock = threading.Lock()
_process: EngineProcess | None = None
_is_stop_asked: Callable[[], bool] | None = None


def current() -> EngineProcess:
    """Return the engine process of this operating-system process; the first call, also in a fork, starts it."""
    global _process
    with _lock:
        if _process is None:
            _process = EngineProcess()
            _process.start()
            atexit.register(_process.end)
        return _process


def stop_when(is_asked: Callable[[], bool]) -> None:
    """Once ``is_asked`` returns True, release all jobs at their next chunk and claim none; also in forks."""
    global _is_stop_asked
    _is_stop_asked = is_asked


def _forget(process: EngineProcess) -> None:
    """Let the next delivery start another engine process, unless one has done so already."""
    global _process
    with _lock:
        if _process is process:
            _process = None


def _forget_in_fork() -> None:
    """Let the next delivery in the fork start another engine process: threads do not survive a fork."""
    global _process, _lock
    _lock = threading.Lock()
    if _process is not None:
        atexit.unregister(_process.end)
    _process = None


os.register_at_fork(after_in_child=_forget_in_fork)
