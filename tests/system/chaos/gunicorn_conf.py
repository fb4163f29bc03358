"""gunicorn as the reference host has it, with two processes whose ids lie in a directory as long as they live."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any, Final

from jobsite.gunicorn_conf import *  # noqa: F403

PIDS: Final = "CHAOS_PIDS"

workers = 2
# What a kill costs is then a fork, not a second of imports.
preload_app = True


def when_ready(server: Any) -> None:
    """End with the run, also when that was killed and could end nobody."""
    threading.Thread(target=_end_after, args=(os.getppid(),), daemon=True).start()


def _end_after(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


def post_fork(server: Any, worker: Any) -> None:
    """Note that the process is there."""
    Path(os.environ[PIDS], str(os.getpid())).touch()


def child_exit(server: Any, worker: Any) -> None:
    """Note that it is gone."""
    Path(os.environ[PIDS], str(worker.pid)).unlink(missing_ok=True)
