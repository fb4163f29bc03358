"""Runs commands in a bash, one after the other, as a person does at a terminal."""

import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final
from uuid import uuid4

# For a command to end; installing packages takes longest.
PATIENCE_SECONDS: Final = 300


class Shell:
    """A bash whose commands share directory and environment; both streams are read as one."""

    def __init__(self, directory: Path, env: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=directory,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def run(self, command: str) -> str:
        """Run a command; return what it printed. It must exit with status 0."""
        mark = f"ended-{uuid4().hex}"
        # Its input would be the next commands. Braces, not a subshell: `cd` and `export` must last.
        self._type(f"{{ {command}\n}} </dev/null\nprintf '\\n%s %s\\n' {mark} $?\n")
        printed = ""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while mark not in printed:
            printed += self._next_line(deadline, f"$ {command}\n{printed}")
        text, _, status = printed.partition(mark)
        assert status.strip() == "0", f"$ {command}\n{printed}"
        return text.rstrip("\n")

    def start(self, command: str, *, until: Callable[[str], bool]) -> str:
        """Start a command that keeps running; return its output as soon as ``until`` accepts it."""
        self._type(f"{command} </dev/null\n")
        printed = ""
        deadline = time.monotonic() + PATIENCE_SECONDS / 5
        while not until(printed):
            printed += self._next_line(deadline, f"$ {command}\n{printed}")
        return printed

    def close(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def _type(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text)
        self._process.stdin.flush()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def _next_line(self, deadline: float, so_far: str) -> str:
        try:
            line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise AssertionError(f"no end, or not the expected output: {so_far}") from None
        assert line is not None, f"the shell has ended: {so_far}"
        return line
