"""The base of every long-running process: name, leases, threads and heartbeat; main loop, stop and exit status."""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from django.db import Error, connections

from .. import conf
from ..actors import Actor
from ..db.backoff import backoff
from ..db.connection import answer_seconds, jobs_connection, leave_pool, sqlite_wait
from ..db.proof import prove_connections
from ..db.timeouts import LONGEST_CONNECT_SECONDS, answer_within, is_opening, limited_statements, shut_down
from ..execution import outcomes, runner
from ..execution.leases import Lease, Leases
from ..models import Job, Worker
from .forks import handle_signals, protect_children
from .heartbeat import Heartbeat, new_name
from .listener import Listener, Wake
from .maintenance import Maintenance
from .releases import ReleaseQueue
from .threads import ThreadGroup
from .watchdog import WATCHDOG

logger = logging.getLogger(__name__)

WATCH_SECONDS: Final = 0.25
# With NOTIFY, polling only finds the jobs whose notification did not arrive.
POLL_WITH_NOTIFY_SECONDS: Final = 5.0
# How long a stopping process waits for actions to reach their next chunk. After that it releases their jobs anyway.
NEXT_CHUNK_SECONDS: Final = 7.0
EXIT_AT_THE_LATEST_SECONDS: Final = 9.5
EXIT_FOR_SUPERVISOR: Final = 3
# A beat has up to three statements that wait for SQLite's lock, and a pause before it: together less than the watchdog.
SQLITE_SHARE: Final = 5
# How long an action may take to end when it has lost its attempt, and waits for no new connection.
UNWIND_SECONDS: Final = 1.0


class Process:
    """The base of worker, dispatcher and engine process; a dispatcher never has leases."""

    def __init__(self, kind: Worker.Kind) -> None:
        self.name = new_name()
        self.actor = Actor(kind="worker", name=self.name)
        self._leases = Leases()
        self._releases = ReleaseQueue(self._leases, worker=self.actor)
        # A process must not go on without its heartbeat, its maintenance or any other thread.
        self._thread_group = ThreadGroup(self.name, on_failure=self._end_for_restart)
        self._heartbeat = Heartbeat(self.name, kind=kind)

    def _start(self) -> None:
        """Start the watchdog and the threads."""
        protect_children()
        WATCHDOG.start()
        self._thread_group.repeat(conf.current().beat_seconds, self._beat, at_once=True, name="beat")

    def _beat(self) -> None:
        """Renew the leases and the heartbeat; a third of a lease is the longest wait for a database that may be frozen.

        Also an error renews the watchdog: only a beat that does not return ends the process.
        """
        connection = jobs_connection()
        seconds = conf.current().lease_seconds / 3
        try:
            with answer_within(seconds, connection), sqlite_wait(connection, WATCHDOG.seconds / SQLITE_SHARE):
                self._leases.renew()
                self._heartbeat.beat()
        finally:
            WATCHDOG.renew()

    def _end_overdue_attempt(self, job: Job, lease: Lease, *, on_stuck_thread: Callable[[], None]) -> None:
        """End the attempt if its action made no progress for its deadline. Its thread cannot be killed.

        But if it waits for a database, that wait can be ended, and the thread goes on.
        """
        if lease.is_overdue() and not lease.given_up.is_set():
            lease.given_up.set()
            try:
                runner.lose_attempt(job, lease=lease, worker=self.actor)
            finally:
                self._leases.drop(lease)
                if not _end_waits(lease):
                    on_stuck_thread()

    @contextmanager
    def _running_claimed(self, job: Job, lease: Lease) -> Iterator[None]:
        """Drop the lease after the block, which runs the job; after an error, release the job or abandon its attempt.

        No error leaves the block: one of our own code costs the job its attempt and the others nothing.
        """
        lease.connections = connections.all()
        try:
            yield
            self._leases.drop(lease)
        except Error as error:
            self._thread_group.report(error)
            self._releases.add_unrecorded(lease, error)
        except Exception as error:  # noqa: BLE001 – what a job makes our own code raise is not the other jobs' fault
            outcomes.abandon(outcomes.Attempt(job=job, lease=lease, worker=self.actor), error)
            self._leases.drop(lease)

    def _try_release(self) -> bool:
        """Release the queued jobs; False: some could not be released yet."""
        try:
            self._releases.release_all()
        except Error as error:
            self._thread_group.report(error)
        return not self._releases

    def _end_for_restart(self) -> None:
        """Release all jobs and end, so that another process takes over; called on a thread that failed."""
        raise NotImplementedError


class CommandProcess(Process):
    """A process that a management command runs until it is stopped or, with ``drain``, until nothing is left to do.

    The main thread calls :meth:`_work` and sleeps until the next time; other threads send the
    heartbeat, do maintenance and listen for NOTIFY.
    """

    def __init__(self, kind: Worker.Kind, *, drain: bool) -> None:
        super().__init__(kind)
        self.wake = Wake()
        self._drain = drain
        self._listener = Listener(self.wake.set)
        self._maintenance = Maintenance(self._thread_group, on_rescue=self.wake.set)
        self._stop_at: float | None = None  # when it was asked to stop, by the monotonic clock
        self._exit_status = 0
        self._failures = 0  # database errors in a row

    def run(self) -> int:
        """Work until stopped, or until a drain is done; return the exit status."""
        leave_pool()
        self._start()
        with limited_statements(answer_seconds(), jobs_connection()):
            while self._stop_at is None and (seconds := self._work_or_back_off()) is not None:
                self._sleep(seconds)
            self.stop()
            self._end()
        return self._exit_status

    def stop(self) -> None:
        """Ask the process to end, in 10 s at most; a signal handler may call this."""
        if self._stop_at is None:
            self._stop_at = time.monotonic()
            WATCHDOG.end_within(EXIT_AT_THE_LATEST_SECONDS)
        self.wake.set()

    def stop_when_closed(self, descriptor: int) -> None:
        """Stop when the other end of this pipe is closed: by the parent that forked this process, or by its death."""

        def wait() -> None:
            os.read(descriptor, 1)
            self.stop()

        threading.Thread(target=wait, name="jobs-parent", daemon=True).start()

    def run_as_command(self) -> None:
        """Run until SIGTERM or Ctrl-C; a second one ends the process at once.

        Raises:
            SystemExit: the exit status is not 0.
        """
        is_asked = False

        def handle(signum: int, _: FrameType | None) -> None:
            nonlocal is_asked
            if is_asked:
                # Safe at any time: what was not committed did not happen, and the leases run out.
                os._exit(128 + signum)
            is_asked = True
            self.stop()

        handle_signals(handle, signal.SIGTERM, signal.SIGINT)
        # Python runs a handler between two instructions of the main thread, which may be about to sleep for seconds.
        signal.set_wakeup_fd(self.wake.fileno(), warn_on_full_buffer=False)
        if status := self.run():
            sys.exit(status)

    def _start(self) -> None:
        super()._start()
        group = self._thread_group
        group.repeat(conf.current().sweep_seconds, self._maintenance.run, at_once=True, name="maintenance")
        group.repeat(1.0, lambda: self._listener.listen(group.ended), at_once=True, name="listen")

    def _work(self) -> float | None:
        """Do the work that is due now; return how many seconds to sleep, None when a drain is done."""
        raise NotImplementedError

    def _work_or_back_off(self) -> float | None:
        try:
            prove_connections()
            seconds = self._work()
        except Error as error:
            self._thread_group.report(error)
            self._failures += 1
            return backoff(self._failures)
        self._failures = 0
        return seconds

    def _sleep(self, seconds: float) -> None:
        self.wake.wait(seconds)

    def _poll_seconds(self, *, without_notify: float) -> float:
        """Return the seconds between two searches for due jobs."""
        default = POLL_WITH_NOTIFY_SECONDS if self._listener.is_receiving else without_notify
        return conf.current().poll_seconds or default

    def _end(self) -> None:
        try:
            prove_connections()
            self._heartbeat.leave()
        except Error as error:
            self._thread_group.report(error)
        self._thread_group.ended.set()
        logger.info("worker=%s ended", self.name)

    def _end_for_restart(self) -> None:
        self._exit_status = EXIT_FOR_SUPERVISOR
        self.stop()


def _end_waits(lease: Lease) -> bool:
    """End the waits of an action for a database; whether the action has ended soon afterwards.

    It may wait again, or be about to; and it may open a connection, whose wait has a limit of its own.
    """
    stuck_since = time.monotonic()
    until = stuck_since + LONGEST_CONNECT_SECONDS
    while lease.deadline is not None:  # else its thread may have begun another job on these connections
        now = time.monotonic()
        if any(is_opening(connection) for connection in lease.connections) and now < until:
            stuck_since = now
        if now - stuck_since > UNWIND_SECONDS:
            return False
        for connection in lease.connections:
            shut_down(connection)
        time.sleep(0.05)
    return True
