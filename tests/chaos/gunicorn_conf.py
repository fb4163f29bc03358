"""gunicorn as the reference host has it, with two processes whose ids lie in a directory as long as they live."""

import os
from pathlib import Path
from typing import Any, Final

from jobsite.gunicorn_conf import *  # noqa: F403

PIDS: Final = "CHAOS_PIDS"

workers = 2
# What a kill costs is then a fork, not a second of imports.
preload_app = True


def post_fork(server: Any, worker: Any) -> None:
    """Note that the process is there."""
    Path(os.environ[PIDS], str(os.getpid())).touch()


def child_exit(server: Any, worker: Any) -> None:
    """Note that it is gone."""
    Path(os.environ[PIDS], str(worker.pid)).unlink(missing_ok=True)
