"""Waits for a process that is being frozen to stand still."""

import os
import signal
import sqlite3
from typing import Final

from django.db import connection

from tests.support.concurrency import until

STOP_SECONDS: Final = 20
LOCK_SECONDS: Final = 0.5


def await_stop(pid: int) -> None:
    """Wait until a process that freezes has stopped; on SQLite, with none of its threads having the only write lock.

    If one had it, nobody could write until the process wakes: a known limit, and not what a freeze is to show.
    """
    while True:
        # Whether all of its threads have stopped since this was last true.
        until(
            lambda: os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG), seconds=STOP_SECONDS, what="a process to stop"
        )
        if connection.vendor != "sqlite" or is_writable():
            return
        os.kill(pid, signal.SIGCONT)


def is_writable() -> bool:
    own = sqlite3.connect(connection.settings_dict["NAME"], timeout=LOCK_SECONDS, isolation_level=None)
    try:
        own.execute("BEGIN IMMEDIATE")
        own.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        return False
    finally:
        own.close()
    return True
