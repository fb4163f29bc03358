"""The clock of a host, faked for some of its processes.

libfaketime stands between a process and the C library's wall clock. The monotonic clock
stays true, as it does when an administrator, or NTP, sets a real host's clock.
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

# What each clock is off by; one that jumps goes through its list again and again.
CLOCKS: Final = {"tomorrow": ("+1d",), "yesterday": ("-1d",), "jumps": ("+1d", "-1d", "+0")}
JUMP_SECONDS: Final = 0.25
DAY_SECONDS: Final = 86_400


class NoFakeClock(Exception):
    """A host's clock cannot be faked here; the text says why."""


class HostClock:
    """The clock of a host, wrong by what stands in a file; its processes read that anew at every look."""

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self.offsets = CLOCKS[name]
        self.jumps = 0
        self.set(self.offsets[0])
        # That a file was changed tomorrow would only confuse Python's cache of bytecode: NO_FAKE_STAT.
        truths = dict.fromkeys(("FAKETIME_NO_CACHE", "DONT_FAKE_MONOTONIC", "NO_FAKE_STAT"), "1")
        self.environment = {"LD_PRELOAD": str(library()), "FAKETIME_TIMESTAMP_FILE": str(path), **truths}
        self._check()

    def set(self, offset: str) -> None:
        """Set the clock; nobody reads half an offset."""
        draft = self._path.with_suffix(".draft")
        draft.write_text(offset)
        draft.rename(self._path)

    @contextmanager
    def ticking(self) -> Iterator[None]:
        """Let it jump, if it is one that does; at the end it stands where it jumped to second."""
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
        """See that a process believes it: where the library does not load, clocks stay true and nothing is proven."""
        command = [sys.executable, "-c", "import time; print(time.time())"]
        environment = {**os.environ, **self.environment}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        off = float(done.stdout or "nan") - time.time()
        if not abs(abs(off) - DAY_SECONDS) < DAY_SECONDS / 2:
            raise NoFakeClock(
                f"libfaketime does not fake the clock of Python on {sys.platform}: a process that was to be a day off "
                f"ended with status {done.returncode}, {off:g} s off, and said: {done.stderr.strip() or 'nothing'}"
            )


def library() -> Path:
    """Return libfaketime's shared library, from the package of that name.

    Raises:
        NoFakeClock: it is not there.
    """
    found = importlib.util.find_spec("libfaketime")  # finds, and does not run it
    places = list(found.submodule_search_locations or ()) if found else []
    path = Path(*places[:1], "vendor", "libfaketime", "src", "libfaketime.so.1")
    if not places or not path.is_file():
        raise NoFakeClock(f"there is no {path.name} for {sys.platform}: install the extra 'dev', on Linux")
    return path


def tidy(pid: int) -> None:
    """Remove what libfaketime keeps in shared memory for a process that was killed, and so could not."""
    for name in (f"sem.faketime_sem_{pid}", f"faketime_shm_{pid}"):
        Path("/dev/shm", name).unlink(missing_ok=True)
