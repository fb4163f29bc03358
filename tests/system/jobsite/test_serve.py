"""``manage.py demo`` as people run it: a program that serves until it is told to stop."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.source import ROOT

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for orphans in /proc")

LAST_LINE = "Ctrl-C stops everything."


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A demo on a database of its own, started as a shell does: the leader of a process group."""
    environment = {**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path / 'demo.sqlite3'}"}
    environment["DJANGO_SETTINGS_MODULE"] = "jobsite.settings"
    process = subprocess.Popen(
        [sys.executable, "manage.py", "demo", "--sessions", "200", "--port", "8400"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        # Not SIGKILL: what it started is ended by nobody else.
        process.terminate()
        process.communicate(timeout=30)


def read_until_ready(demo: subprocess.Popen[str]) -> str:
    assert demo.stdout is not None
    lines = []
    for line in demo.stdout:
        lines.append(line)
        if LAST_LINE in line:
            break
    return "".join(lines)


def descendants_of(pid: int) -> dict[int, str]:
    """Return the processes below ``pid`` with their command lines."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(child) for path in lists for child in path.read_text().split()]
    found = {child: Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ") for child in children}
    return {each: line for below in (found, *map(descendants_of, children)) for each, line in below.items()}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_serves_and_ends_with_everything_it_started(demo: subprocess.Popen[str], number: signal.Signals):
    text = read_until_ready(demo)
    address = re.search(r"Site +(\S+)", text)[1]  # type: ignore[index]
    page = urllib.request.urlopen(address).read().decode()
    started = descendants_of(demo.pid)

    os.killpg(demo.pid, number)
    rest, _ = demo.communicate(timeout=20)

    assert "Erased means" in page
    assert len(started) >= 3, "a worker, gunicorn and its child"
    assert demo.returncode == 0, rest
    assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]
    assert "Traceback" not in text + rest
    assert rest.rstrip().endswith("Stopped.")


def test_when_the_worker_ends_by_itself_so_does_the_demo(demo: subprocess.Popen[str]):
    read_until_ready(demo)
    started = descendants_of(demo.pid)
    (worker,) = [pid for pid, command in started.items() if "jobworker" in command]

    os.kill(worker, signal.SIGKILL)
    rest, _ = demo.communicate(timeout=20)

    assert demo.returncode == 1
    assert "the worker ended by itself with status -9" in rest
    assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]
