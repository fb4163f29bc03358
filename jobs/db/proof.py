"""Whether an open connection still leads to the database: servers end idle sessions, SQLite's file may be replaced."""

import logging
import math
import sqlite3
import time
from functools import cache
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.models import Model
from django.dispatch import receiver

from .timeouts import answer_within

logger = logging.getLogger(__name__)

# One that was proved a moment ago costs no further round trip.
IDLE_SECONDS: Final = 0.5
ANSWER_SECONDS: Final = 2.0

_proved_at: WeakKeyDictionary[BaseDatabaseWrapper, float] = WeakKeyDictionary()
# Device and inode of the file that SQLite has opened.
_files: WeakKeyDictionary[BaseDatabaseWrapper, tuple[int, int] | None] = WeakKeyDictionary()


def jobs_alias() -> str:
    """Return the alias of the database of the table of jobs."""
    return router.db_for_write(_job_model()) if router.routers else DEFAULT_DB_ALIAS


@cache
def _job_model() -> type[Model]:
    return apps.get_model("jobs", "Job")


def prove_connections() -> None:
    """Prove all open connections of this thread; of a replaced SQLite file that has no jobs, open the new one."""
    for connection in connections.all(initialized_only=True):
        if is_file_replaced(connection) and connection.alias != jobs_alias():
            connection.close()
        prove(connection)


def prove(connection: BaseDatabaseWrapper) -> None:
    """Close the connection if it has idled and is dead; the next statement opens a new one.

    Raises:
        OperationalError: SQLite's file was taken away or replaced, so nobody would see what is written; an outage.
    """
    if connection.connection is None:
        return
    if is_file_replaced(connection):
        logger.error("the open file of the database %r is not the one at its path any more", connection.alias)
        connection.close_at = time.monotonic()  # when the request ends; our processes connect anew at once
        cause = sqlite3.OperationalError("the file was taken away or replaced")
        cause.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
        raise OperationalError(str(cause)) from cause
    if connection.vendor == "sqlite":
        return
    has_idled = time.monotonic() - _proved_at.get(connection, -math.inf) > IDLE_SECONDS
    if has_idled and not connection.in_atomic_block:
        with answer_within(ANSWER_SECONDS, connection):
            is_dead = not connection.is_usable()
        if is_dead:
            connection.close()
    note_proof(connection)


def note_proof(connection: BaseDatabaseWrapper) -> None:
    """Note that the database has just answered on this connection, or that it is closed."""
    _proved_at[connection] = time.monotonic()


def is_file_replaced(connection: BaseDatabaseWrapper) -> bool:
    """Whether the file that SQLite has open is no longer the one at the path."""
    if connection.vendor != "sqlite":
        return False
    return _files.get(connection) is not None and _file_of(connection) != _files[connection]


@receiver(connection_created, dispatch_uid="jobs.note_file")
def _note_file(*, connection: BaseDatabaseWrapper, **_: Any) -> None:
    _files[connection] = _file_of(connection) if connection.vendor == "sqlite" else None


def _file_of(connection: BaseDatabaseWrapper) -> tuple[int, int] | None:
    """Return device and inode of the file at the path; None: there is none, as for a database in memory."""
    try:
        status = Path(connection.settings_dict["NAME"]).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
