"""The API of a run: a real gunicorn on the run's database, whose processes are hit by faults like workers."""

import os
import secrets
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.support.source import ROOT
from tests.system.chaos.gunicorn_conf import PIDS

EXIT_SECONDS: Final = 12


class ApiServer:
    """Answers at ``127.0.0.1:port``; a process of it that ends is replaced at once by gunicorn."""

    def __init__(self, directory: Path, *, log: Path, environment: dict[str, str]) -> None:
        self._pids = directory
        self._log = log
        command = [sys.executable, "-m", "gunicorn", "--config", "python:tests.system.chaos.gunicorn_conf"]
        environment = {**os.environ, **environment, PIDS: str(directory), "SECRET_KEY": secrets.token_urlsafe(64)}
        # Calls that come before gunicorn is up, or between two of its processes, wait at this socket.
        with socket.create_server(("127.0.0.1", 0)) as listener, log.open("ab") as output:
            self.port: int = listener.getsockname()[1]
            command += ["--bind", f"fd://{listener.fileno()}", "jobsite.wsgi"]
            self._popen = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=output,
                pass_fds=[listener.fileno()],
                start_new_session=True,  # so that all of them can be ended together
            )

    @property
    def pids(self) -> list[int]:
        """The processes that answer calls."""
        return sorted(int(path.name) for path in self._pids.iterdir())

    def check_alive(self) -> None:
        """Refuse to go on if the one has ended that keeps the others alive: no fault is meant for it."""
        if self._popen.poll() is not None:
            raise RuntimeError(f"gunicorn has ended:\n{self._log.read_text()}")

    def stop(self) -> None:
        """Ask it to end when all calls that it has begun are answered."""
        self._popen.terminate()
        self._popen.wait(EXIT_SECONDS)

    def kill(self) -> None:
        """End what is left of it."""
        if self._popen.poll() is None:
            os.killpg(self._popen.pid, signal.SIGKILL)
            self._popen.wait()
