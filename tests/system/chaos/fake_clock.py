"""A host whose clock is wrong: libfaketime fakes the wall clock for some processes.

The monotonic clock stays true, as it does when an administrator, or NTP, sets a real host's clock.
"""

import importlib.util
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Final

# The offset of each clock; one that jumps takes its offsets in turn.
CLOCKS: Final = {"tomorrow": ("+1d",), "yesterday": ("-1d",), "jumps": ("+1d", "-1d", "+0")}
JUMP_SECONDS: Final = 0.25
DAY_SECONDS: Final = 86_400


class NoFakeClock(Exception):
    """A host's clock cannot be faked here; the text says why."""


class HostClock:
    """The clock of a host; its processes read the offset from a file each time they ask for the time."""

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self.offsets = CLOCKS[name]
        self.jumps = 0
        self.set(self.offsets[0])
        self.environment = environment_of(path, find_library())
        self._check()

    def set(self, offset: str) -> None:
        set_clock(self._path, offset)

    @contextmanager
    def ticking(self) -> Iterator[None]:
        """Let the clock jump, if it is one that does; at the end it has its second offset."""
        ended = threading.Event()
        jumping = threading.Thread(target=self._jump, args=(ended,))
        jumping.start()
        try:
            yield
        finally:
            ended.set()
            jumping.join()
            self.set(self.offsets[1 % len(self.offsets)])

    def _jump(self, ended: threading.Event) -> None:
        if len(self.offsets) > 1:
            for offset in cycle(self.offsets):
                if ended.wait(JUMP_SECONDS):
                    return
                self.set(offset)
                self.jumps += 1

    def _check(self) -> None:
        """Check that a process gets the wrong time: if the library did not load, the run would prove nothing."""
        command = [sys.executable, "-c", "import time; print(time.time())"]
        environment = {**os.environ, **self.environment}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        off = float(done.stdout or "nan") - time.time()
        if not abs(abs(off) - DAY_SECONDS) < DAY_SECONDS / 2:
            raise NoFakeClock(
                f"libfaketime does not fake the clock of Python on {sys.platform}: a process that was to be a day off "
                f"ended with status {done.returncode}, {off:g} s off, and said: {done.stderr.strip() or 'nothing'}"
            )


def environment_of(path: Path, library: Path) -> dict[str, str]:
    """Return the variables of a process whose clock is off by the offset in a file."""
    # NO_FAKE_STAT: a file that was changed tomorrow would confuse Python's cache of bytecode.
    switches = dict.fromkeys(("FAKETIME_NO_CACHE", "DONT_FAKE_MONOTONIC", "NO_FAKE_STAT"), "1")
    return {"LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(path), **switches}


def set_clock(path: Path, offset: str) -> None:
    """Write an offset by renaming: no process reads half of it."""
    draft = path.with_suffix(".draft")
    draft.write_text(offset)
    draft.rename(path)


def find_library() -> Path:
    """Return libfaketime's shared library, from the package of that name."""
    found = importlib.util.find_spec("libfaketime")  # without running it
    places = list(found.submodule_search_locations or ()) if found else []
    path = Path(*places[:1], "vendor", "libfaketime", "src", "libfaketime.so.1")
    if not places or not path.is_file():
        raise NoFakeClock(f"there is no {path.name} for {sys.platform}: install the extra 'dev', on Linux")
    return path


def remove_shared_memory(pid: int) -> None:
    """Remove what libfaketime keeps in shared memory for a process that was killed."""
    for name in (f"sem.faketime_sem_{pid}", f"faketime_shm_{pid}"):
        Path("/dev/shm", name).unlink(missing_ok=True)
