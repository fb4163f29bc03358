"""A pytest plugin that prints on standard error how far a run is.

``tests/run.py`` loads it where two runs go on side by side, and names each by ``--progress``.
"""

import sys
import time
from typing import Final

import pytest

EVERY_SECONDS: Final = 10


class Progress:
    """Count the tests that have ended; print a line every ten seconds, and one for each failure."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._total = self._ended = self._failed = 0
        self._started = self._printed = time.monotonic()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note how many tests there are, where this process runs them."""
        self._total = self._total or len(session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Note how many tests there are, where xdist's workers run them."""
        self._total = len(ids)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test with its last phase, a failure with the phase that fails."""
        self._ended += report.when == "teardown"
        if report.failed:
            self._failed += 1
            self._print(f"FAILED {report.nodeid}")
        if time.monotonic() - self._printed >= EVERY_SECONDS:
            self._printed = time.monotonic()
            self._print(f"{self._ended} of {self._total} tests, {self._failed} failed")

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        self._print(f"{self._ended} of {self._total} tests, {self._failed} failed; exit status {int(exitstatus)}")

    def _print(self, text: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
        print(f"{minutes:2}:{seconds:02}  {self._name:<10}  {text}", file=sys.stderr, flush=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--progress", metavar="NAME", help="print on standard error how far the run called NAME is")


def pytest_configure(config: pytest.Config) -> None:
    """Count in the process that hears of all tests, not in xdist's workers."""
    name = config.getoption("progress")
    if name and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Progress(name))
