"""Runs of the chaos package on a database of their own."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.empty_database import empty_database
from tests.system.chaos.single_run import run_in_process


@pytest.fixture
def run_chaos(tmp_path: Path) -> Iterator[Callable[..., dict[str, Any]]]:
    """``run_chaos(kind, *options)`` runs once, on an empty database; it returns the result."""
    with empty_database(tmp_path) as url:
        yield partial(run_in_process, url)
