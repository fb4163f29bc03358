"""Makes an empty database on the server of the test run, for processes that do not use the test database."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.db import connection

from tests.settings import TEST_RUN
from tests.support.postgres import Server
from tests.support.processes import run_python


@contextmanager
def empty_database(directory: Path) -> Iterator[str]:
    """Yield the URL of an empty database of the kind under test; it is removed at the end."""
    if connection.vendor == "sqlite":
        yield f"sqlite:///{directory / 'scratch.sqlite3'}"
        return
    server = Server(url=os.environ["DATABASE_URL"], version="", origin="the suite's")
    # tests.run drops all databases with this prefix, also after a run that was killed.
    with server.new_database(f"test_jobs_{TEST_RUN}") as url:
        yield url


run = partial(run_python, PYTHONWARNINGS="error")


def run_json(*arguments: str, **further: str) -> Any:
    """Run Python as ``run`` does to a good end; return what its last line says in JSON."""
    done = run(*arguments, **further)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def host_migrations(directory: Path, settings: str) -> Path:
    """Make the module ``host_settings`` and an empty package ``host_migrations``; return the package."""
    (directory / "host_settings.py").write_text(settings)
    package = directory / "host_migrations"
    package.mkdir()
    (package / "__init__.py").touch()
    return package


def run_tests(*paths: str, settings: str) -> None:
    """Run tests with other settings, on a test database of their own; fail if one of them does, or none is found."""
    # tests.run drops all databases with this prefix.
    name = f"{TEST_RUN}_{settings.rpartition('_')[2]}_{uuid4().hex[:6]}"
    options = ["-q", "-p", "no:cacheprovider", "--maxfail=10", f"--ds={settings}"]
    done = run("-m", "pytest", *options, *paths, settings=settings, TEST_RUN=name)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
    assert " passed" in done.stdout
