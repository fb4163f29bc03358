"""Limits of waits that the server does not end: a frozen connection stays open and never answers.

One thread per process shuts down the socket of a connection whose answer is late. The thread that waits for the
answer gets an ``OperationalError``, as in any outage, and connects anew. A limit costs no round trip.
"""

import contextlib
import math
import os
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper

RECHECK_SECONDS: Final = 0.25
# For each address of the server, unless the host says otherwise; psycopg takes whole seconds, and no fewer than two.
CONNECT_SECONDS: Final = 5
SHORTEST_CONNECT_SECONDS: Final = 2
LONGEST_CONNECT_SECONDS: Final = 15
# libpq's PQTRANS_ACTIVE: something was sent and its answer is not complete.
ACTIVE: Final = 1


class _Limit:
    """The end of a wait for answers on a connection."""

    __slots__ = ("connection", "ends_at")

    def __init__(self, connection: BaseDatabaseWrapper, seconds: float) -> None:
        self.connection = connection
        self.ends_at = time.monotonic() + seconds


class _Watch:
    """The limits of all threads, and the thread that enforces them."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._limits: set[_Limit] = set()
        self._thread: threading.Thread | None = None
        self._wakes_at = math.inf

    def add(self, limit: _Limit) -> None:
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(target=self._enforce, name="jobs-timeouts", daemon=True)
                thread.start()
                self._thread = thread
            self._limits.add(limit)
            if limit.ends_at < self._wakes_at:
                self._wakes_at = limit.ends_at
                self._changed.notify()

    def discard(self, limit: _Limit) -> None:
        with self._lock:  # a connection is not shut down after its limit has been left
            self._limits.discard(limit)

    def seconds_left(self, connection: BaseDatabaseWrapper | None) -> float:
        with self._lock:
            ends = (limit.ends_at for limit in self._limits if limit.connection is connection)
            return min(ends, default=math.inf) - time.monotonic()

    def _enforce(self) -> None:
        with self._lock:
            while True:
                now = time.monotonic()
                late = [limit for limit in self._limits if limit.ends_at <= now]
                for limit in late:
                    shut_down(limit.connection)
                # One that is late and not waiting now, as between two statements, may wait in a moment.
                wakes = [now + RECHECK_SECONDS if limit in late else limit.ends_at for limit in self._limits]
                self._wakes_at = min(wakes, default=math.inf)
                self._changed.wait(self._wakes_at - now if wakes else None)


_watch = _Watch()
# Threads do not survive a fork, and their locks may be held for ever.
os.register_at_fork(after_in_child=_watch.__init__)  # type: ignore[misc]  # the same object, as new


class _ThreadState(threading.local):
    statement_seconds: float | None = None


_thread = _ThreadState()


@contextmanager
def answer_within(seconds: float, connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Let the block wait ``seconds`` in all for answers on this thread's ``connection``; it may compute for longer.

    SQLite has no connection that could freeze.

    Raises:
        OperationalError: of the kind OUTAGE, where the block waited when the time was over.
    """
    if not _can_freeze(connection):
        yield
        return
    _limit_connecting(connection)
    limit = _Limit(connection, seconds)
    _watch.add(limit)
    try:
        yield
    finally:
        _watch.discard(limit)


@contextmanager
def limited_statements(seconds: float | None, connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Let each statement of the block wait ``seconds`` at most for its answer; None: as long as it takes."""
    if not _can_freeze(connection):
        yield
        return
    _limit_connecting(connection)
    before, _thread.statement_seconds = _thread.statement_seconds, seconds
    is_outermost = _execute_within_limit not in connection.execute_wrappers
    if is_outermost:
        connection.execute_wrappers.append(_execute_within_limit)
    try:
        yield
    finally:
        _thread.statement_seconds = before
        if is_outermost:
            connection.execute_wrappers.remove(_execute_within_limit)


def limited_answer(connection: BaseDatabaseWrapper) -> contextlib.AbstractContextManager[None]:
    """Limit what is no statement for Django, such as a COMMIT, as statements are limited on this thread."""
    seconds = _thread.statement_seconds
    return contextlib.nullcontext() if seconds is None else answer_within(seconds, connection)


def shut_down(connection: BaseDatabaseWrapper) -> bool:
    """End the wait of another thread on its ``connection`` by an ``OperationalError``; whether it waited."""
    raw: Any = connection.connection
    if raw is None or not _can_freeze(connection):
        return False
    with contextlib.suppress(OSError, connection.Database.Error):  # type: ignore[attr-defined]  # its thread closed it
        if raw.info.transaction_status != ACTIVE:
            return False
        descriptor = raw.fileno()
        with socket.socket(fileno=os.dup(descriptor)) as end:
            if raw.fileno() == descriptor:  # else it was closed, and the number may be another file's
                end.shutdown(socket.SHUT_RDWR)
                return True
    return False


def is_opening(connection: BaseDatabaseWrapper) -> bool:
    """Whether another thread waits for this ``connection`` to open, as :func:`answer_within` lets it."""
    return connection.connection is None and _watch.seconds_left(connection) < math.inf


def _execute_within_limit(
    execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    if _thread.statement_seconds is None:
        return execute(sql, params, many, context)
    limit = _Limit(context["connection"], _thread.statement_seconds)
    _watch.add(limit)
    try:
        return execute(sql, params, many, context)
    finally:
        _watch.discard(limit)


def _can_freeze(connection: BaseDatabaseWrapper) -> bool:
    return connection.vendor == "postgresql"


def _limit_connecting(connection: BaseDatabaseWrapper) -> None:
    """Limit how long this thread's ``connection`` takes to open, from now on."""
    if "connect" in vars(connection):
        return
    kind: Any = type(connection)
    find = weakref.ref(connection)  # a cycle would keep the connection of a thread that has ended

    def limited_connect() -> None:
        own: Any = find()
        with answer_within(LONGEST_CONNECT_SECONDS, own):
            kind.connect(own)

    def limited_parameters() -> dict[str, Any]:
        found: dict[str, Any] = kind.get_connection_params(find())
        most = min(float(found.get("connect_timeout") or CONNECT_SECONDS), _watch.seconds_left(find()))
        return {**found, "connect_timeout": max(SHORTEST_CONNECT_SECONDS, int(most))}

    vars(connection).update(connect=limited_connect, get_connection_params=limited_parameters)
