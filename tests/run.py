"""Run the whole suite on SQLite, then on PostgreSQL: what ``make test`` does.

Whatever this program does not know goes to pytest, and later words win: ``-k cancel``,
``-n 0`` for one process, ``tests/unit/api``. The exit status is 0 only if both suites passed.
"""

import argparse
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final
from uuid import uuid4

from tests.support.postgres import NoServer, end_cleanly_on_sigterm, postgres_server

ROOT: Final = Path(__file__).resolve().parent.parent
PROCESSES: Final = "2"
INTERRUPTED: Final = 130

# The settings that jobsite reads; the caller's own may not steer a suite that is to mean the same everywhere.
OWN_VARIABLES: Final = (
    *("DATABASE_URL", "CONN_MAX_AGE", "SECRET_KEY", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "TRUST_PROXY"),
    *("INSECURE_HTTP", "HSTS_SECONDS", "DEBUG", "LOG_LEVEL", "DEMO_PROJECT_KEY", "DJANGO_SETTINGS_MODULE"),
    *("CACHE_URL", "TRUSTED_PROXIES", "RETENTION_DAYS", "STATIC_ROOT", "BROKER_URL", "BROKER_PREFIX"),
)
PATIENCE_SECONDS: Final = 20  # for pytest to wind up once it was told to stop


def main() -> int:
    """Run the suites that were asked for; return the exit status."""
    parser = argparse.ArgumentParser(prog="tests.run", description=__doc__, allow_abbrev=False)
    parser.add_argument("--only", choices=("sqlite", "postgresql"), help="run on this database alone")
    chosen, pytest_arguments = parser.parse_known_args()
    suites = {"sqlite": run_on_sqlite, "postgresql": run_on_postgresql}
    end_cleanly_on_sigterm()
    # A shell starts background jobs with SIGINT ignored, and pytest would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        results = [run(pytest_arguments) for name, run in suites.items() if chosen.only in (None, name)]
    except NoServer as error:
        print(f"\nPostgreSQL could not be had, so the suite did not run on it: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return next(filter(None, results), 0)


def run_on_sqlite(pytest_arguments: list[str]) -> int:
    """Run pytest on a database file; return its exit status."""
    announce(f"SQLite {sqlite3.sqlite_version}, in a file")
    return run_pytest(pytest_arguments, run_name=uuid4().hex[:12])


def run_on_postgresql(pytest_arguments: list[str]) -> int:
    """Run pytest on the server that can be had; return its exit status.

    Raises:
        NoServer: there is none.
    """
    run_name = uuid4().hex[:12]
    with postgres_server() as server:
        announce(str(server))
        try:
            return run_pytest(pytest_arguments, run_name=run_name, DATABASE_URL=server.url)
        finally:
            server.drop_databases(f"test_jobs_{run_name}")


def announce(database: str) -> None:
    """Print on what the lines below were measured."""
    print(f"\n==> The suite on {database}", flush=True)


def run_pytest(arguments: list[str], *, run_name: str, **variables: str) -> int:
    """Run pytest with its temporary files in a directory that is removed; return its exit status."""
    command = [sys.executable, "-m", "pytest", "-n", PROCESSES, *arguments]
    with tempfile.TemporaryDirectory(prefix="jobs-tests-", ignore_cleanup_errors=True) as directory:
        environment = {name: value for name, value in os.environ.items() if name not in OWN_VARIABLES}
        environment |= {"TMPDIR": directory, "TEST_RUN": run_name, **variables}
        with subprocess.Popen(command, cwd=ROOT, env=environment) as process:
            try:
                return process.wait()
            except SystemExit:
                process.send_signal(signal.SIGINT)
                raise
            finally:
                # After Ctrl-C, which reached pytest as well, it removes its databases and prints what it has.
                wait_or_kill(process)


def wait_or_kill(process: subprocess.Popen[bytes]) -> None:
    """Give a process time to end by itself, but not for ever."""
    try:
        process.wait(timeout=PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        print("pytest does not end; killing it", file=sys.stderr)
    finally:
        process.kill()  # does nothing to one that has ended


if __name__ == "__main__":
    sys.exit(main())
