"""Installs the failpoint of the file host."""

import os
import signal
import time
from pathlib import Path

from django.apps import AppConfig


class FileHostConfig(AppConfig):
    name = "tests.support.filehost"

    def ready(self) -> None:
        from jobs.db import failpoints  # not before the apps are loaded

        failpoints.hook = fail_once


def fail_once(place: str) -> None:
    """Kill this process at the place in ``FAIL_AT``, or hang, if the file in ``FAIL_ONCE`` is there to be removed."""
    if place == os.environ.get("FAIL_AT"):
        try:
            Path(os.environ["FAIL_ONCE"]).unlink()
        except FileNotFoundError:
            return
        if "HANG_SECONDS" in os.environ:
            time.sleep(float(os.environ["HANG_SECONDS"]))
        else:
            os.kill(os.getpid(), signal.SIGKILL)
