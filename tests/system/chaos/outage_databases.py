"""Databases whose outages a run can make: a PostgreSQL server of our own, or an SQLite file, on a small disk.

Each outage is a context manager that begins and ends with its block. An outage that this
machine cannot have is in ``left_out``, with the reason.
"""

import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

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

Outages = dict[str, tuple[Callable[[], AbstractContextManager[None]], tuple[float, float]]]
"""Each with the least and the most seconds that it may last."""


class OutageDatabase:
    def __init__(self, url: str, outages: Outages, needing_disk: Outages, no_disk: str) -> None:
        self.url = url
        self.outages = outages if no_disk else {**outages, **needing_disk}
        self.left_out = dict.fromkeys(needing_disk, no_disk) if no_disk else {}


@contextmanager
def outage_database(url: str) -> Iterator[OutageDatabase]:
    """Yield an empty database of the kind that ``url`` names, for this process and its children alone."""
    is_sqlite = url.startswith("sqlite")
    with ExitStack() as stack:
        disk, no_disk = None, ""
        try:
            disk = stack.enter_context(small_disk(SQLITE_MEGABYTES if is_sqlite else POSTGRES_MEGABYTES))
        except NoDisk as error:
            no_disk = str(error)
        if is_sqlite:
            yield SqliteFile(
                Path(disk.path, "chaos.sqlite3") if disk else Path(url.removeprefix("sqlite:///")), disk, no_disk
            )
        else:
            yield PostgresServer(stack.enter_context(wheel_postgres(disk.path if disk else None)), disk, no_disk)


class PostgresServer(OutageDatabase):
    def __init__(self, server: WheelPostgres, disk: SmallDisk | None, no_disk: str) -> None:
        self._server = server
        self._disk = disk
        outages: Outages = {
            "restart": (lambda: self._stopped(signal.SIGINT), (1, 3)),
            "crash": (lambda: self._stopped(signal.SIGQUIT), (1, 3)),
            "away": (lambda: self._stopped(signal.SIGINT), (3, 8)),
            "read-only": (self._read_only, (2, 5)),
        }
        needing_disk: Outages = {"full disk": (self._full_disk, (2, 5)), "full log": (self._full_log, (2, 5))}
        super().__init__(server.url, outages, needing_disk, no_disk)

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
        # Sessions follow between two of their statements, soon after.
        time.sleep(0.2)

    @contextmanager
    def _full_disk(self) -> Iterator[None]:
        """Leave no room in the table that every transition of a job writes into."""
        assert self._disk is not None
        self._disk.fill()
        with psycopg.connect(self.url) as connection:
            repeat_until_full(connection, PAD)
            # Not committed and not rolled back, as the space of either may be used again.
            for rows in (100, 10, 1):
                repeat_until_full(connection, REWRITE_EVENTS.format(rows))
            yield
            connection.rollback()
        self._disk.empty()

    @contextmanager
    def _full_log(self) -> Iterator[None]:
        """Use up the log's reserve: the server panics, and cannot recover before there is room."""
        assert self._disk is not None
        self._disk.fill()
        with psycopg.connect(self.url) as connection, suppress(psycopg.OperationalError):
            repeat_until_full(connection, SWITCH_LOG)
        yield
        self._disk.empty()
        try:
            self._server.start()
        except NoServer:  # its last attempt to recover was still under way
            self._server.start()


def repeat_until_full(connection: psycopg.Connection[Any], statement: str) -> None:
    """Execute a statement until the disk is full; what it wrote before stays in the open transaction."""
    deadline = time.monotonic() + FILL_SECONDS
    while time.monotonic() < deadline:
        try:
            with connection.transaction():
                connection.execute(statement.encode())
        except psycopg.errors.DiskFull:
            return
    raise AssertionError(f"the full disk took everything of {statement}")


class SqliteFile(OutageDatabase):
    def __init__(self, file: Path, disk: SmallDisk | None, no_disk: str) -> None:
        self._file = file
        self._disk = disk
        needing_disk: Outages = {"read-only": (self._read_only, (2, 5)), "full disk": (self._full_disk, (2, 5))}
        super().__init__(f"sqlite:///{file}", {"locked": (self._locked, (3, 4))}, needing_disk, no_disk)

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._file, timeout=LOCK_SECONDS, isolation_level=None)
        try:
            yield connection
        finally:
            connection.close()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Take the only write lock, as a backup or a migration may."""
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
    def _full_disk(self) -> Iterator[None]:
        assert self._disk is not None
        with self._connected() as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # it would leave room for writes
        self._disk.fill()
        yield
        self._disk.empty()
