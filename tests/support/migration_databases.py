"""Databases for processes of their own, on the server that the suite runs on."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection

from tests.settings import TEST_RUN
from tests.support.postgres import Server
from tests.support.source import ROOT


@contextmanager
def empty_database(directory: Path) -> Iterator[str]:
    """Give the URL of an empty database of the kind that the suite runs on; it is removed at the end."""
    if connection.vendor == "sqlite":
        yield f"sqlite:///{directory / 'scratch.sqlite3'}"
        return
    server = Server(url=os.environ["DATABASE_URL"], version="", origin="the suite's")
    # The name starts as all of this run do, so that it is removed also if the run is cut short.
    with server.new_database(f"test_jobs_{TEST_RUN}") as url:
        yield url


def run(*arguments: str, settings: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run this Python with ``arguments`` and Django's ``settings``; return what it printed and its exit status."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": settings, "PYTHONWARNINGS": "error", **variables}
    # xdist's and pytest-cov's variables are for children that take part in this run.
    environment = {name: value for name, value in environment.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
