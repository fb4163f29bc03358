"""What happens at a named place: an order lies in the control directory, the first process that gets there takes it."""

import os
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

from django.db import OperationalError

from jobs.database import home

GO: Final = "go"
POLL_SECONDS: Final = 0.005
HOLD_SECONDS: Final = 30


class Injected(RuntimeError):
    """The exception among the faults."""


class Faults:
    """The hook: looks for an order under the name of the place, takes it by renaming, and obeys."""

    def __init__(self, control: Path) -> None:
        self._control = control

    def __call__(self, place: str) -> None:
        """Obey the order for ``place``, if there is one; it is obeyed once."""
        taken = self._control / "taken" / f"{place}~{os.getpid()}"
        try:
            (self._control / place).rename(taken)
        except FileNotFoundError:
            return
        fault = taken.read_text()
        if fault == "hold":
            hold(self._control / GO)
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
    connection = home()
    connection.ensure_connection()
    pid = connection.connection.info.backend_pid
    other = connection.copy(alias="chaos")
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 1000)", [pid])
    finally:
        other.close()


def freeze() -> None:
    """Stop the process; on SQLite at a moment when none of its threads holds the only write lock.

    Frozen with it, nobody else could write until it wakes: a known limit, and not what a freeze is to show.
    """
    connection = home()
    if connection.vendor == "sqlite":
        own = sqlite3.connect(connection.settings_dict["NAME"], timeout=HOLD_SECONDS, isolation_level=None)
        own.execute("BEGIN IMMEDIATE")  # waits for whichever of our threads has it
        own.execute("ROLLBACK")
        own.close()
    os.kill(os.getpid(), signal.SIGSTOP)


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
    "freeze": freeze,
    "cut": cut,
    "disk": fail_disk,
    "exception": fail,
}
