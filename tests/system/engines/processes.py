"""The programs of a suite's run: dispatchers, and the workers of an engine, each a process on the test's database."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest
from django.db import connection

from tests.support.source import ROOT

PATIENCE_SECONDS: Final = 60  # a Celery worker takes seconds to start, and the machine may be busy
EXIT_SECONDS: Final = 20


class Program:
    """One process with a log of its own."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        self.name = name
        self._log = tempfile.NamedTemporaryFile(prefix=f"jobs-{name}-", suffix=".log")  # noqa: SIM115 – ends with it
        whole = {**os.environ, **environment}
        self._process = subprocess.Popen(command, cwd=ROOT, env=whole, stdout=self._log, stderr=self._log)
        self.pid = self._process.pid

    @property
    def log(self) -> str:
        """What it has printed so far."""
        return Path(self._log.name).read_text(errors="replace")

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def await_line(self, text: str) -> None:
        """Wait until it has printed ``text``."""
        wait_for(lambda: text in self.log or not self.is_alive, what=f"{self.name} to say {text!r}")
        assert text in self.log, f"{self.name} ended:\n{self.log}"

    def stop(self) -> int:
        """Ask it to end; return its exit status."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(EXIT_SECONDS)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End it, and forget what it has printed."""
        self.kill()
        self._log.close()


class Programs:
    """All programs of a test; none outlives it."""

    def __init__(self, engine: str, **environment: str) -> None:
        self.environment = {
            "DJANGO_SETTINGS_MODULE": "tests.system.engines.settings",
            "TEST_SETTINGS": os.environ["DJANGO_SETTINGS_MODULE"],
            "TEST_DATABASE_NAME": str(connection.settings_dict["NAME"]),
            "TEST_ENGINE": engine,
            "LOG_LEVEL": "DEBUG",
            **environment,
        }
        self._stack = ExitStack()
        self.all: list[Program] = []

    def start(self, name: str, *command: str) -> Program:
        """Start ``python …``; it is gone when the test ends."""
        program = Program(name, [sys.executable, *command], self.environment)
        self._stack.callback(program.close)
        self.all.append(program)
        return program

    def run(self, *command: str) -> str:
        """Run ``python …`` to its end and return what it printed; it must succeed."""
        environment = {**os.environ, **self.environment, "LOG_LEVEL": "ERROR"}
        done = subprocess.run(
            [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def close(self) -> None:
        self._stack.close()


def wait_for(condition: Callable[[], Any], *, what: str, seconds: float = PATIENCE_SECONDS) -> Any:
    """Wait until ``condition`` holds, and return what it gave; fail the test, naming ``what``, if it never does."""
    end = time.monotonic() + seconds
    while not (given := condition()):
        if time.monotonic() > end:
            pytest.fail(f"waited {seconds:g} s in vain: {what}")
        time.sleep(0.02)
    return given
