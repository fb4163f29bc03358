"""Two PostgreSQL servers of our own, one the standby of the other, whose roles change when the primary is lost."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final

import psycopg

from tests.support.wheel_postgres import Installation, NoServer, WheelPostgres, wheel_installation

STREAM_SECONDS: Final = 30
# How far behind an asynchronous standby is when the primary is lost: its sender is stopped for so long.
LAG_SECONDS: Final = 0.5
STATES: Final = ("async", "sync")
STREAMING: Final = "SELECT pid, sync_state FROM pg_stat_replication WHERE state = 'streaming'"


class ReplicatedPostgres:
    """A primary and a standby; ``url`` names both, and clients find the primary by themselves."""

    def __init__(self, installation: Installation, *, synchronous: bool) -> None:
        self._installation = installation
        self._synchronous = synchronous
        self._number = count()
        self._homes = [installation.make_directory(name) for name in ("one", "two")]
        data = self._new_data()
        installation.initialise(data)
        with (data / "postgresql.conf").open("a") as configuration:
            configuration.write(
                "dynamic_shared_memory_type = mmap\n"
            )  # a server that is killed leaves nothing elsewhere
        self._primary = self._server(self._homes[0], data)
        self._primary.start()
        self._standby: WheelPostgres | None = None
        hosts = ",".join(map(str, self._homes))
        self.url = f"postgres://postgres@/postgres?host={hosts}&target_session_attrs=read-write"

    def add_standby(self) -> None:
        """Make a standby of the primary, and wait until it streams; commits then wait for it if it is synchronous."""
        home = self._homes[1]
        data = self._new_data()
        source = f"host={self._homes[0]} user=postgres application_name=standby"
        self._installation.run(
            "pg_basebackup", f"--pgdata={data}", "--write-recovery-conf", "--checkpoint=fast", f"--dbname={source}"
        )
        self._standby = self._server(home, data)
        self._standby.start()
        self._await_state(*STATES)
        if self._synchronous:
            self._configure("ALTER SYSTEM SET synchronous_standby_names = '*'")
            self._await_state("sync")

    def lose_primary(self) -> float:
        """Kill the primary, and promote the standby; return the time of the kill, by this machine's clock.

        An asynchronous standby lags behind by then.
        """
        assert self._standby is not None, "one was added"
        if not self._synchronous:
            (sender, _), *_ = self._ask(STREAMING)
            os.kill(sender, signal.SIGSTOP)
            time.sleep(LAG_SECONDS)
        lost_at = time.time()
        self._primary.crash()
        self._primary.close()
        self._primary, self._standby = self._standby, None
        self._homes.reverse()
        # What the backup has copied: without a standby, no commit would ever end.
        self._configure("ALTER SYSTEM RESET synchronous_standby_names")
        self._ask("SELECT pg_promote(true, 60)")
        return lost_at

    def close(self) -> None:
        for server in filter(None, (self._standby, self._primary)):
            server.close()

    def _new_data(self) -> Path:
        return self._installation.home / f"data-{next(self._number)}"

    def _server(self, home: Path, data: Path) -> WheelPostgres:
        return WheelPostgres(self._installation.programs, home, data, self._installation.account)

    def _await_state(self, *wanted: str) -> None:
        deadline = time.monotonic() + STREAM_SECONDS
        while not any(state in wanted for _, state in self._ask(STREAMING)):
            if time.monotonic() > deadline:
                raise NoServer(f"the standby did not become {' or '.join(wanted)}")
            time.sleep(0.05)

    def _configure(self, statement: str) -> None:
        self._ask(statement)
        self._ask("SELECT pg_reload_conf()")

    def _ask(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self._primary.url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


@contextmanager
def replicated_postgres(*, synchronous: bool) -> Iterator[ReplicatedPostgres]:
    """Yield a primary with a standby; both end with the block.

    Raises:
        NoServer: the wheel is not installed, or its programs fail.
    """
    with wheel_installation() as installation:
        servers = ReplicatedPostgres(installation, synchronous=synchronous)
        try:
            servers.add_standby()
            yield servers
        finally:
            servers.close()
