"""Starts the programs of a test of an engine: dispatchers and workers, each a process on the test database."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.processes import Process, environment_on_test_database, run_python

SETTINGS = "tests.system.engines.settings"


def wait_for(condition: Callable[[], Any], *, what: str) -> Any:
    """Wait as ``until`` does, but longer: a Celery worker takes seconds to start, and the machine may be busy."""
    from tests.support.concurrency import until  # the benchmarks import this module without settings

    return until(condition, what=what, seconds=60)


class Program(Process):
    def await_line(self, text: str) -> None:
        wait_for(lambda: text in self.log or not self.is_alive, what=f"{self.log_path.name} to print {text!r}")
        assert text in self.log, f"{self.log_path.name} ended:\n{self.log}"


class Programs:
    """All programs of a test; ``close`` ends them."""

    def __init__(self, engine: str, **environment: str) -> None:
        self.environment = {**environment_on_test_database(SETTINGS), "TEST_ENGINE": engine, **environment}
        self.all: list[Program] = []
        self._directory = tempfile.TemporaryDirectory(prefix=f"jobs-{engine}-")

    def start(self, name: str, *command: str) -> Program:
        log_path = Path(self._directory.name, f"{name}-{len(self.all)}.log")
        program = Program(*command, log_path=log_path, environment=self.environment)
        self.all.append(program)
        return program

    def run(self, *command: str) -> str:
        environment = {**self.environment, "LOG_LEVEL": "ERROR"}
        done = run_python(*command, settings=environment.pop("DJANGO_SETTINGS_MODULE"), timeout=60, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def close(self) -> None:
        for program in self.all:
            program.kill()
        self._directory.cleanup()
