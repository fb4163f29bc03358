"""Databases that suffer: a server of our own that stops, crashes, refuses or is full; a file that does the same.

Each outage is a context manager: in force when its block begins, and lifted when that has
ended. An outage that cannot be had on this machine is named in ``left_out``, with the reason.
"""

import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Protocol

import psycopg

from tests.support.wheel_postgres import NoServer, WheelPostgres, wheel_postgres
from tests.system.chaos.disk import NoDisk, SmallDisk, set_writable, small_disk

POSTGRES_MEGABYTES: Final = 320
SQLITE_MEGABYTES: Final = 64
FILL_SECONDS: Final = 30
LOCK_SECONDS: Final = 20
PAD: Final = (
    "CREATE TABLE IF NOT EXISTS padding (text text); "
    "INSERT INTO padding SELECT repeat(md5(n::text), 60) FROM generate_series(1, 500) AS n"
)
# From anywhere in the table, at the same cost however long a run has made it.
REWRITE_EVENTS: Final = (
    "UPDATE jobs_jobevent SET note = note WHERE id IN (SELECT id FROM jobs_jobevent "
    "WHERE id >= (SELECT (random() * max(id))::bigint FROM jobs_jobevent) ORDER BY id LIMIT {})"
)
SWITCH_LOG: Final = "SELECT pg_logical_emit_message(false, '', 'x'), pg_switch_wal()"

Outage = Callable[[], AbstractContextManager[None]]


class Suffering(Protocol):
    """A database whose outages are ours to make; ``lengths`` are the seconds that each may last."""

    url: str
    outages: dict[str, Outage]
    lengths: dict[str, tuple[float, float]]
    left_out: dict[str, str]


@contextmanager
def suffering_database(url: str) -> Iterator[Suffering]:
    """Give an empty database of the kind that ``url`` names, for this process and its children alone."""
    is_sqlite = url.startswith("sqlite")
    with ExitStack() as stack:
        try:
            disk = stack.enter_context(small_disk(SQLITE_MEGABYTES if is_sqlite else POSTGRES_MEGABYTES))
        except NoDisk as error:
            disk, reason = None, str(error)
        else:
            reason = ""
        if is_sqlite:
            file = Path(disk.path, "chaos.sqlite3") if disk else Path(url.removeprefix("sqlite:///"))
            yield SufferingSqlite(file, disk, reason)
        else:
            server = stack.enter_context(wheel_postgres(disk.path if disk else None))
            yield SufferingPostgres(server, disk, reason)


class SufferingPostgres:
    """A server that we start, and its data on a small disk."""

    lengths: Final = {
        "restart": (1, 3),
        "crash": (1, 3),
        "away": (3, 8),
        "read-only": (2, 5),
        "full disk": (2, 5),
        "full log": (2, 5),
    }

    def __init__(self, server: WheelPostgres, disk: SmallDisk | None, reason: str) -> None:
        self.url = server.url
        self._server = server
        self.outages: dict[str, Outage] = {
            "restart": lambda: self._stopped(signal.SIGINT),
            "crash": lambda: self._stopped(signal.SIGQUIT),
            "away": lambda: self._stopped(signal.SIGINT),
            "read-only": self._read_only,
        }
        self.left_out = {}
        if disk:
            self.outages["full disk"] = lambda: self._full(disk)
            self.outages["full log"] = lambda: self._full_log(disk)
        else:
            self.left_out = {"full disk": reason, "full log": reason}

    @contextmanager
    def _stopped(self, signum: signal.Signals) -> Iterator[None]:
        self._server.stop(signum)
        yield
        self._server.start()

    @contextmanager
    def _read_only(self) -> Iterator[None]:
        self._configure("ALTER SYSTEM SET default_transaction_read_only = on")
        yield
        self._configure("ALTER SYSTEM RESET default_transaction_read_only")

    def _configure(self, statement: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)
            connection.execute("SELECT pg_reload_conf()")
        # Sessions follow between two statements of theirs, soon after.
        time.sleep(0.2)

    @contextmanager
    def _full(self, disk: SmallDisk) -> Iterator[None]:
        """Leave no room in the table that every move of a job writes into."""
        disk.fill()
        with psycopg.connect(self.url) as connection:
            repeat_until_refused(connection, PAD)
            # Not committed and not rolled back, as the space of either may be used again.
            for rows in (100, 10, 1):
                repeat_until_refused(connection, REWRITE_EVENTS.format(rows))
            yield
            connection.rollback()
        disk.empty()

    @contextmanager
    def _full_log(self, disk: SmallDisk) -> Iterator[None]:
        """Use up the log's reserve, so that the server panics, and cannot recover before there is room."""
        disk.fill()
        with psycopg.connect(self.url) as connection, suppress(psycopg.OperationalError):
            repeat_until_refused(connection, SWITCH_LOG)
        yield
        disk.empty()
        try:
            self._server.start()
        except NoServer:  # its last vain try to recover was still under way
            self._server.start()


def repeat_until_refused(connection: psycopg.Connection[Any], statement: str) -> None:
    """Execute a statement until the disk is full for it; what was done before stays in the open transaction."""
    deadline = time.monotonic() + FILL_SECONDS
    while time.monotonic() < deadline:
        try:
            with connection.transaction():
                connection.execute(statement.encode())
        except psycopg.errors.DiskFull:
            return
    raise AssertionError(f"the full disk took everything of {statement}")


class SufferingSqlite:
    """A database file, on a small disk."""

    lengths: Final = {"locked": (3, 4), "read-only": (2, 5), "full disk": (2, 5)}

    def __init__(self, file: Path, disk: SmallDisk | None, reason: str) -> None:
        self.url = f"sqlite:///{file}"
        self._file = file
        self.outages: dict[str, Outage] = {"locked": self._locked}
        self.left_out = {}
        if disk:
            self.outages |= {"read-only": self._read_only, "full disk": lambda: self._full(disk)}
        else:
            self.left_out = {"read-only": reason, "full disk": reason}

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._file, timeout=LOCK_SECONDS, isolation_level=None)
        try:
            yield connection
        finally:
            connection.close()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the only write lock, as a backup or a migration might."""
        with self._connected() as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")

    @contextmanager
    def _read_only(self) -> Iterator[None]:
        """Refuse every write: with READONLY to new connections, with IOERR to old ones."""
        files = (self._file, Path(f"{self._file}-wal"))
        set_writable(*files, writable=False)
        try:
            yield
        finally:
            set_writable(*files, writable=True)

    @contextmanager
    def _full(self, disk: SmallDisk) -> Iterator[None]:
        with self._connected() as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # it would leave room for writes
        disk.fill()
        yield
        disk.empty()
