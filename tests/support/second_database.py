"""A second database of the host's, beside that of the tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import connections


@contextmanager
def second_database(alias: str, folder: Path) -> Iterator[Any]:
    """Have an SQLite database without tables in the block; yield its connection."""
    settings = {alias: {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / f"{alias}.sqlite3"}}
    connections.settings[alias] = connections.configure_settings({**connections.settings, **settings})[alias]
    connections[alias].connect()  # by itself it may not: the test case knows of one database only
    try:
        yield connections[alias]
    finally:
        connections[alias].close()
        del connections[alias]
        del connections.settings[alias]
