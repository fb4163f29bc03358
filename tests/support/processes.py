"""Runs Python programs of this source tree as processes: to their end, or until a test stops or kills them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from django.db import connection

from tests.support.source import ROOT

EXIT_SECONDS: Final = 20  # a worker promises to end within 10; the machine may be busy


class Process:
    """A running ``python …``; its output goes to the file ``log_path``. ``options`` are those of ``Popen``."""

    def __init__(self, *arguments: str, log_path: Path, environment: Mapping[str, str], **options: Any) -> None:
        self.log_path = log_path
        with log_path.open("ab") as output:
            self._popen = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdout=output,
                stderr=output,
                **options,
            )
        self.pid = self._popen.pid

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    @property
    def exit_status(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._popen.poll()

    @property
    def is_alive(self) -> bool:
        return self.exit_status is None

    def send(self, signum: signal.Signals) -> None:
        self._popen.send_signal(signum)

    def wait(self, seconds: float = EXIT_SECONDS) -> int:
        """Wait for its end, so many seconds at most; return its exit status."""
        return self._popen.wait(seconds)

    def stop(self) -> int:
        """Send SIGTERM; return the exit status."""
        self.send(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        self._popen.kill()
        self._popen.wait()


def run_python(
    *arguments: str, settings: str, timeout: float = 600, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """Run ``python …`` with Django's ``settings`` to its end; return its exit status and what it printed."""
    # The variables of pytest's plugins are for processes that take part in the test run.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**kept, "DJANGO_SETTINGS_MODULE": settings, **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def run_for_result(*arguments: str, **environment: str) -> dict[str, Any] | None:
    """Run ``python …``, pass on what it prints, and return its last line, a JSON object; None: there is none."""
    command, own = [sys.executable, *arguments], {**os.environ, **environment}
    last = ""
    with subprocess.Popen(command, cwd=ROOT, env=own, stdout=subprocess.PIPE, text=True) as process:
        try:
            for line in process.stdout or ():
                last = line
                if not line.startswith("{"):
                    print(line, end="", flush=True)
        finally:
            process.terminate()
    return dict(json.loads(last)) if last.startswith("{") else None


def environment_on_test_database(settings: str) -> dict[str, str]:
    """Return the variables of a process on the test database; ``settings`` build on the test's own."""
    return {
        "DJANGO_SETTINGS_MODULE": settings,
        "TEST_SETTINGS": os.environ["DJANGO_SETTINGS_MODULE"],
        "TEST_DATABASE_NAME": str(connection.settings_dict["NAME"]),
        "LOG_LEVEL": "DEBUG",
    }
