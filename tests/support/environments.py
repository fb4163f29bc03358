"""Virtual environments for interpreters and packages other than those of this run."""

import os
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.support.interpreters import Pair, find_python

# No settings of the caller, no path to this source tree.
CLEAN: Final = {
    name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR", "PIP_CONFIG_FILE") if name in os.environ
}

STOP_SECONDS: Final = 60  # for a program that was told to stop


def required_python(pair: Pair) -> str:
    """Return the interpreter of a pair. If it is missing, the test fails with ``CI`` set and is skipped without."""
    found = find_python(pair.python)
    if found is not None:
        return found
    problem = (
        f"{pair} is required, but no Python {pair.python} was found on PATH or with pyenv: pyenv install {pair.python}"
    )
    if os.environ.get("CI"):
        pytest.fail(problem)
    pytest.skip(problem)


def make_environment(directory: Path, *, python: str, packages: list[str]) -> Path:
    run([python, "-m", "venv", str(directory)], cwd=directory.parent)
    made = directory / "bin" / "python"
    install(made, packages)
    return made


def install(python: Path, packages: list[str]) -> None:
    options = ["--quiet", "--disable-pip-version-check", "--no-warn-script-location"]
    run([str(python), "-m", "pip", "install", *options, *packages], cwd=python.parent)


def run(command: list[str], *, cwd: Path, env: dict[str, str] | None = None, timeout: float = 300) -> str:
    """Run a program; return what it printed. It must exit with status 0."""
    pipe, problem = subprocess.PIPE, ""
    with subprocess.Popen(command, cwd=cwd, env=env or CLEAN, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            printed, complaints = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            problem = f"it took longer than {timeout} s"
            # Not SIGKILL: the program must end what it has started and remove what it has created.
            process.terminate()
            printed, complaints = process.communicate(timeout=STOP_SECONDS)
        finally:
            process.kill()  # does nothing to one that has ended
    problem = problem or (f"it ended with {process.returncode}" if process.returncode else "")
    assert not problem, f"{command}: {problem}\n{printed}{complaints}"
    return printed
