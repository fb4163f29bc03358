"""What happens at a named place: an order lies in the control directory, the first process that gets there takes it."""

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
HOLD_SECONDS: Final = 30
# In the order in which a job may meet them. ``intervention.committed`` is met only where staff step in.
PLACES: Final = (
    "create.before_commit",
    "create.committed",
    "claimed",
    "chunk.inside",
    "chunk.committed",
    "erase.last_chunk",
    "finish.before",
    "finish.verified",
    "finish.after",
    "beat",
    "rescue.half_way",
    "cancel.committed",
)


class Injected(RuntimeError):
    """The exception among the faults."""


class Faults:
    """The hook: looks for an order under the name of the place, takes it by renaming, and obeys."""

    def __init__(self, control: Path) -> None:
        self._control = control

    def __call__(self, place: str) -> None:
        """Obey the order for ``place``, if there is one; it is obeyed once."""
        mine = self._control / f".{place}~{os.getpid()}"
        try:
            (self._control / place).rename(mine)
        except FileNotFoundError:
            return
        fault = mine.read_text()
        # Only now: whoever watches removes what it finds there.
        mine.rename(self._control / "taken" / f"{place}~{os.getpid()}")
        if fault == "hold":
            hold(self._control / GO)
        elif fault == "freeze":
            freeze(mark_of_frozen(self._control, os.getpid()))
        else:
            FAULTS[fault]()


def hold(go: Path) -> None:
    """Wait until the file ``go`` is there."""
    until = time.monotonic() + HOLD_SECONDS
    while not go.exists():
        if time.monotonic() > until:
            raise Injected("nobody gave the sign to go on")
        time.sleep(POLL_SECONDS)


def cut() -> None:
    """Let the server end this thread's connection, as an administrator or a failing network would."""
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
    """Return the file that is there for as long as the process is to stay frozen."""
    return control / f"frozen-{pid}"


def freeze(mark: Path) -> None:
    """Stop the process, with this thread at this very place, until ``mark`` is taken away and it is woken.

    The signal goes to this thread: any other may take one that is sent to the process, and
    until it does, this one runs on, on a busy computer into its next chunk or past it.
    """
    mark.touch()
    while mark.exists():
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        time.sleep(POLL_SECONDS)  # woken for a moment, so that another thread comes to the end of its transaction


def fail_disk() -> NoReturn:
    """Raise what SQLite says when the disk does."""
    cause = sqlite3.OperationalError("disk I/O error")
    cause.sqlite_errorcode = 10
    raise OperationalError("disk I/O error") from cause


def fail() -> NoReturn:
    """Raise what nobody expects."""
    raise Injected("an injected fault")


FAULTS: Final[dict[str, Callable[[], object]]] = {
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "term": lambda: os.kill(os.getpid(), signal.SIGTERM),
    "cut": cut,
    "disk": fail_disk,
    "exception": fail,
}
