"""Run tests on SQLite and on PostgreSQL, side by side: what ``make test`` and ``make check`` do.

Whatever this program does not know goes to pytest, and later words win: ``-k cancel``,
``-n 0`` for one process, ``tests/unit/api``. While both runs go on, each prints how far it is;
their reports follow at the end. Tests that use no database run on SQLite alone, unless
``--only`` names one database. The exit status is 0 only if both runs passed.
"""

import argparse
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

from tests.support.postgres import NoServer, Server, end_cleanly_on_sigterm, postgres_server

ROOT: Final = Path(__file__).resolve().parent.parent
INTERRUPTED: Final = 130
# For each database. Both together are twice the processors, as many tests wait for processes that they start; with
# more, tests of workers come too late for the times that these promise.
PROCESSES: Final = str(os.cpu_count() or 2)
PYTEST: Final = ("-m", "pytest", "-p", "tests.support.progress", "--dist", "worksteal", "-n", PROCESSES)

# The settings that jobsite reads; the caller's own may not steer a suite that is to mean the same everywhere.
OWN_VARIABLES: Final = (
    *("DATABASE_URL", "CONN_MAX_AGE", "SECRET_KEY", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "TRUST_PROXY"),
    *("INSECURE_HTTP", "HSTS_SECONDS", "DEBUG", "LOG_LEVEL", "DEMO_PROJECT_KEY", "DJANGO_SETTINGS_MODULE"),
    *("CACHE_URL", "TRUSTED_PROXIES", "RETENTION_DAYS", "STATIC_ROOT", "BROKER_URL", "BROKER_PREFIX"),
)
PATIENCE_SECONDS: Final = 20  # for pytest to end by itself after it was told to


def main() -> int:
    """Run the tests on the databases that were asked for; return the exit status."""
    parser = argparse.ArgumentParser(prog="tests.run", description=__doc__, allow_abbrev=False)
    parser.add_argument("--only", choices=("sqlite", "postgresql"), help="run on this database alone")
    parser.add_argument("--coverage", action="store_true", help="measure which branches of jobs/ run")
    chosen, arguments = parser.parse_known_args()
    if chosen.coverage:
        arguments = ["--cov", "--cov-report=", *arguments]
    end_cleanly_on_sigterm()
    # A shell starts background jobs with SIGINT ignored, and pytest would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with ExitStack() as stack:
            server = stack.enter_context(postgres_server()) if chosen.only != "sqlite" else None
            if chosen.only or server is None:
                runs = [stack.enter_context(pytest_on(server, arguments))]
            else:
                options = ("--progress=PostgreSQL", "--only-database-tests")
                runs = [
                    stack.enter_context(pytest_on(None, ["--progress=SQLite", *arguments], is_beside=True)),
                    stack.enter_context(pytest_on(server, [*options, *arguments], is_beside=True)),
                ]
            return wait_for(runs)
    except NoServer as error:
        print(f"\nPostgreSQL could not be had, so no test ran: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def wait_for(runs: "list[subprocess.Popen[bytes]]") -> int:
    """Wait until all have ended; return the first exit status that is not 0."""
    try:
        return next(filter(None, [run.wait() for run in runs]), 0)
    except (KeyboardInterrupt, SystemExit) as reason:
        for run in runs:
            # Ctrl-C has reached a run in our own process group.
            if has_own_group(run) or isinstance(reason, SystemExit):
                send(run, signal.SIGINT)
        raise


def has_own_group(process: "subprocess.Popen[bytes]") -> bool:
    """Say whether a process runs as the first of a process group of its own."""
    return process.poll() is None and os.getpgid(process.pid) == process.pid


def send(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    """Send a signal to a process, and to those that it has started if it has a group of its own."""
    if has_own_group(process):
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)  # does nothing to one that has ended


@contextmanager
def pytest_on(
    server: Server | None, arguments: list[str], *, is_beside: bool = False
) -> "Iterator[subprocess.Popen[bytes]]":
    """Start pytest on the server, or on a SQLite file; it has ended, and what it created is gone, after the block.

    With ``is_beside`` its report is printed at the end.
    """
    run_name = uuid4().hex[:12]
    environment = {name: value for name, value in os.environ.items() if name not in OWN_VARIABLES}
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="jobs-tests-", ignore_cleanup_errors=True))
        environment |= {"TMPDIR": directory, "TEST_RUN": run_name}
        environment["COVERAGE_FILE"] = str(ROOT / "build" / "coverage" / f"data.{run_name}")
        if server:
            environment["DATABASE_URL"] = server.url
            stack.callback(server.drop_databases, f"test_jobs_{run_name}")
        title = f"\n==> The tests on {server or f'SQLite {sqlite3.sqlite_version}, in a file'}"
        report = stack.enter_context(tempfile.TemporaryFile()) if is_beside else None
        print(title, flush=True)
        command = [sys.executable, *PYTEST, *arguments]
        # One that has the terminal for itself may be asked to debug, and must stay in its foreground.
        group = 0 if is_beside else None
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=report, process_group=group)
        try:
            yield process
        finally:
            # After Ctrl-C it removes its databases and prints what it has.
            wait_or_kill(process)
            if report:
                report.seek(0)
                print(title, report.read().decode(errors="replace"), sep="\n", flush=True)


def wait_or_kill(process: "subprocess.Popen[bytes]") -> None:
    """Give a process time to end by itself, but not for ever."""
    try:
        process.wait(timeout=PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        print("pytest does not end; killing it", file=sys.stderr)
    finally:
        send(process, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
