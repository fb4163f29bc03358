"""The watchdog ends a process that is not renewed or does not end in time, and no process that is not ours to end."""

import subprocess

import pytest

from jobs.processes.watchdog import WATCHDOG
from tests.support.processes import run_python

PREPARE = """
import ctypes, os, sys, threading, time
from jobs.processes import watchdog
from jobs.processes.watchdog import WATCHDOG
watchdog.SHORTEST_SECONDS = 1.0
watchdog.conf.current = lambda: type("", (), {"lease_seconds": 0.1})
WATCHDOG.may_end_process = True
WATCHDOG.start()
"""


def run(program: str) -> "subprocess.CompletedProcess[str]":
    return run_python("-c", PREPARE + program, settings="tests.settings", timeout=30)


def test_a_process_that_holds_the_gil_is_ended_and_says_where():
    ended = run("""
def match(secret):
    ctypes.PyDLL(None).sleep(600)
match("ana@example.com")
""")

    assert ended.returncode == 1
    assert "in match" in ended.stderr
    assert "ana@example.com" not in ended.stderr


def test_a_process_that_renews_goes_on():
    ended = run("""
for _ in range(8):
    time.sleep(0.25)
    WATCHDOG.renew()
os._exit(0)
""")

    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_end_is_not_put_off_by_beats_and_not_by_what_python_waits_for():
    ended = run("""
threading.Thread(target=time.sleep, args=(600,)).start()
begun = time.monotonic()
WATCHDOG.end_within(0.5)
while time.monotonic() - begun < 0.4:
    WATCHDOG.renew()
    WATCHDOG.end_within(600)
    time.sleep(0.1)
""")

    assert ended.returncode == 1


@pytest.mark.parametrize("end", ["sys.exit(0)", "watchdog.WATCHDOG.renew(); os._exit(0)"], ids=["exits", "goes on"])
def test_a_fork_is_not_watched_and_ends_and_its_parent_is_watched(end: str):
    ended = run(f"""
child = os.fork()
if child == 0:
    {end}
deadline = time.monotonic() + 0.8
while not (status := os.waitpid(child, os.WNOHANG))[0] and time.monotonic() < deadline:
    time.sleep(0.02)
print("child", status[0] == child, status[1], flush=True)
time.sleep(600)
""")

    assert (ended.stdout, ended.returncode) == ("child True 0\n", 1)


def test_a_process_that_is_not_ours_is_never_ended():
    ended = run("""
WATCHDOG.stop()
WATCHDOG.may_end_process = False
WATCHDOG.start()
WATCHDOG.end_within(0.1)
time.sleep(1.5)
""")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert not WATCHDOG.may_end_process, "nor is the one that runs the tests"
