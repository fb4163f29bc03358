"""The reference host's gunicorn configuration, with two workers whose process ids are files in a directory."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any, Final

from jobsite.gunicorn_conf import *  # noqa: F403 – a configuration file of gunicorn is its names

PIDS: Final = "CHAOS_PIDS"

workers = 2
preload_app = True  # a killed worker then costs a fork, not a second of imports


def when_ready(server: Any) -> None:
    """End with the run's process, also when that was killed."""
    threading.Thread(target=_end_after, args=(os.getppid(),), daemon=True).start()


def _end_after(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


def post_fork(server: Any, worker: Any) -> None:
    Path(os.environ[PIDS], str(os.getpid())).touch()


def child_exit(server: Any, worker: Any) -> None:
    Path(os.environ[PIDS], str(worker.pid)).unlink(missing_ok=True)
