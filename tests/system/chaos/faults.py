"""Faults at the engine's named places: the first process that reaches a place takes the fault from a directory."""

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

from django.db import OperationalError

from jobs.db.connection import jobs_connection

GO: Final = "go"
POLL_SECONDS: Final = 0.005
WAIT_SECONDS: Final = 30
# In the order in which a job may meet them. ``intervention.committed`` is left out: only staff meet it.
PLACES: Final = (
    *("create.before_commit", "create.committed", "claimed", "chunk.inside", "chunk.committed", "erase.last_chunk"),
    *("finish.before", "finish.verified", "finish.after", "beat", "rescue.half_way", "cancel.committed"),
)


class Injected(RuntimeError):
    """The exception among the faults."""


class Faults:
    """The hook of ``jobs.db.failpoints``: takes the file named for the place by renaming it, and obeys it."""

    def __init__(self, control: Path) -> None:
        self._control = control

    def __call__(self, place: str) -> None:
        """Commit the fault that was injected at ``place``, if there is one; once."""
        mine = self._control / f".{place}~{os.getpid()}"
        try:
            (self._control / place).rename(mine)
        except FileNotFoundError:
            return
        fault = mine.read_text()
        mine.rename(self._control / "taken" / f"{place}~{os.getpid()}")  # only now: the run removes what is there
        if fault == "wait":
            wait_for_file(self._control / GO)
        elif fault == "freeze":
            freeze(mark_of_frozen(self._control, os.getpid()))
        else:
            FAULTS[fault]()


def wait_for_file(path: Path) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not path.exists():
        if time.monotonic() > deadline:
            raise Injected("the run did not let this process go on")
        time.sleep(POLL_SECONDS)


def cut() -> None:
    """Let the server end this thread's connection, as an administrator or a failing network does."""
    connection = jobs_connection()
    connection.ensure_connection()
    pid = connection.connection.info.backend_pid
    other = connection.copy(alias="chaos")
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 1000)", [pid])
    finally:
        other.close()


def mark_of_frozen(control: Path, pid: int) -> Path:
    """Return the file that is there while the process is to stay frozen."""
    return control / f"frozen-{pid}"


def freeze(mark: Path) -> None:
    """Stop the process, with this thread at this place, until ``mark`` is removed and the process is woken.

    The signal goes to this thread: any other may take one that is sent to the process, and
    until it does, this one runs on, on a busy computer into its next chunk or past it.
    """
    mark.touch()
    while mark.exists():
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        time.sleep(POLL_SECONDS)  # woken for a moment, so that another thread comes to the end of its transaction


def fail_disk() -> NoReturn:
    """Raise what SQLite raises when the disk fails."""
    cause = sqlite3.OperationalError("disk I/O error")
    cause.sqlite_errorcode = 10
    raise OperationalError("disk I/O error") from cause


def fail() -> NoReturn:
    """Raise an exception that no code expects."""
    raise Injected("an injected fault")


FAULTS: Final[dict[str, Callable[[], object]]] = {
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "term": lambda: os.kill(os.getpid(), signal.SIGTERM),
    "cut": cut,
    "disk": fail_disk,
    "exception": fail,
}
