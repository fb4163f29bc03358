"""Runs the programs that are measured, and the measures, each in a process of its own."""

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from tests.support.processes import Process, run_python

SETTINGS: Final = "tests.benchmarks.settings"
MEASURES: Final = "tests.benchmarks.measure"
END_SECONDS: Final = 15
MEASURE_SECONDS: Final = 600


class MeasureFailed(Exception):
    """A process failed, or did other work than was to be measured; the text is what it printed."""


@contextmanager
def running(*commands: Sequence[str]) -> Iterator[list[Process]]:
    """Run ``python …`` for each of the commands; stop at the end those that have not ended."""
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        processes = []
        for number, command in enumerate(commands):
            processes.append(Process(*command, log_path=Path(directory, f"{number}.log"), environment={}))
            stack.callback(_stop, processes[-1])
        yield processes


def _stop(process: Process) -> None:
    process.send(signal.SIGTERM)
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


def worker_command(*options: str, threads: int) -> list[str]:
    return ["manage.py", "jobworker", f"--threads={threads}", *options]


def drain(*, threads: int) -> None:
    """Let a worker run all jobs that are due."""
    with running(worker_command("--drain", threads=threads)) as (worker,):
        if worker.wait(MEASURE_SECONDS):
            raise MeasureFailed(worker.log)


def measure(name: str, database_url: str, *, module: str = MEASURES, settings: str = SETTINGS, **arguments: Any) -> Any:
    """Run one measure on a database; return what it printed."""
    command = ("-m", "tests.support.django_program", module, name, json.dumps(arguments))
    return json.loads(_run_to_end(*command, settings=settings, database_url=database_url).splitlines()[-1])


def print_measure(measures: Mapping[str, Callable[..., Any]]) -> None:
    """Run the measure that the command line names, with the arguments it gives as JSON; the program of ``measure``."""
    print(json.dumps(measures[sys.argv[1]](**json.loads(sys.argv[2]))))


def migrate(database_url: str, *, settings: str = SETTINGS) -> None:
    _run_to_end("manage.py", "migrate", "--run-syncdb", "--verbosity=0", settings=settings, database_url=database_url)


def _run_to_end(*command: str, settings: str, database_url: str) -> str:
    done = run_python(*command, settings=settings, timeout=MEASURE_SECONDS, DATABASE_URL=database_url)
    if done.returncode:
        raise MeasureFailed(done.stdout + done.stderr)
    return done.stdout
