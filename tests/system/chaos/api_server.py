"""The API of a run: gunicorn on the run's database, whose worker processes are killed like any other."""

import os
import secrets
import signal
import socket
from pathlib import Path

from tests.support.processes import Process
from tests.system.chaos.gunicorn_conf import PIDS


class ApiServer(Process):
    """Answers at ``127.0.0.1:port``; gunicorn at once replaces a worker process that ends."""

    def __init__(self, pids: Path, *, log_path: Path, environment: dict[str, str]) -> None:
        self._pids = pids
        # Calls that come before gunicorn is up, or between two of its processes, wait at this socket.
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port: int = listener.getsockname()[1]
            super().__init__(
                *("-m", "gunicorn", "--config", "python:tests.system.chaos.gunicorn_conf"),
                *("--bind", f"fd://{listener.fileno()}", "jobsite.wsgi"),
                log_path=log_path,
                environment={**environment, PIDS: str(pids), "SECRET_KEY": secrets.token_urlsafe(64)},
                pass_fds=[listener.fileno()],
                start_new_session=True,  # so that `kill` can end all of them together
            )

    @property
    def worker_pids(self) -> list[int]:
        return sorted(int(path.name) for path in self._pids.iterdir())

    def check_alive(self) -> None:
        """Raise if the master process has ended: no fault is meant for it."""
        if not self.is_alive:
            raise RuntimeError(f"gunicorn has ended:\n{self.log}")

    def kill(self) -> None:
        """Send SIGKILL to the master and its workers, unless the master has ended."""
        if self.is_alive:
            os.killpg(self.pid, signal.SIGKILL)
            self.wait()
