"""Processes: the worker that is measured, and the measures, each in one of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from tests.support.source import ROOT

SETTINGS: Final = "tests.benchmarks.settings"
MEASURES: Final = "tests.benchmarks.measure"
END_SECONDS: Final = 15
MEASURE_SECONDS: Final = 600


class MeasureFailed(Exception):
    """A process ended otherwise than it should; the text is what it said."""


@contextmanager
def worker(*, threads: int, drain: bool = False) -> Iterator["subprocess.Popen[str]"]:
    """Run ``manage.py jobworker`` as anybody would; stop it at the end if it has not ended."""
    command = [sys.executable, "manage.py", "jobworker", f"--threads={threads}", *(["--drain"] if drain else [])]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def drain(*, threads: int) -> None:
    """Let a worker run all that is due.

    Raises:
        MeasureFailed: it did not end well.
    """
    with worker(threads=threads, drain=True) as process:
        _, errors = process.communicate(timeout=MEASURE_SECONDS)
    if process.returncode:
        raise MeasureFailed(errors)


def measure(name: str, database_url: str, *, module: str = MEASURES, settings: str = SETTINGS, **arguments: Any) -> Any:
    """Run one measure on a database; return what it found.

    Raises:
        MeasureFailed: it ended by an error.
    """
    command = [sys.executable, "-m", module, name, json.dumps(arguments)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment(database_url, settings),
        capture_output=True,
        text=True,
        timeout=MEASURE_SECONDS,
    )
    if done.returncode:
        raise MeasureFailed(done.stdout + done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def migrate(database_url: str, *, settings: str = SETTINGS) -> None:
    """Create all tables."""
    command = [sys.executable, "manage.py", "migrate", "--run-syncdb", "--verbosity=0"]
    subprocess.run(command, cwd=ROOT, env=environment(database_url, settings), check=True)


def environment(database_url: str, settings: str = SETTINGS) -> dict[str, str]:
    """Return the variables that a child needs."""
    return {**os.environ, "DATABASE_URL": database_url, "DJANGO_SETTINGS_MODULE": settings}
