"""Other Pythons and their environments: which are supported, how they are found, what happens where one is missing."""

import os
import re
import sys
from pathlib import Path

import pytest

from tests.support.environments import required_python, run
from tests.support.interpreters import PAIRS, REQUIRED, find_python
from tests.support.source import ROOT


def test_interpreters_are_found_on_the_path_and_with_pyenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def make(directory: Path) -> str:
        directory.mkdir(parents=True)
        program = directory / "python3.13"
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        return str(program)

    make(tmp_path / "shims")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setenv("PATH", str(tmp_path / "shims"))
    assert find_python("3.13") is None
    make(tmp_path / "pyenv/versions/3.13.2/bin")
    newest = make(tmp_path / "pyenv/versions/3.13.10/bin")
    assert find_python("3.13") == newest
    on_path = make(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{tmp_path / 'shims'}{os.pathsep}{tmp_path / 'bin'}")
    assert find_python("3.13") == on_path


def test_a_missing_interpreter_fails_with_ci_set_and_is_skipped_without(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tests.support.environments.find_python", lambda version: None)
    newest = REQUIRED[-1]

    monkeypatch.setenv("CI", "1")
    with pytest.raises(pytest.fail.Exception, match=r"Python 3\.13 × django>=6.* is required"):
        required_python(newest)
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match=r"pyenv install 3\.13"):
        required_python(newest)


def test_a_program_that_takes_too_long_is_stopped_and_has_failed(tmp_path: Path):
    waits = "import signal; print('begun', flush=True); signal.sigwait([signal.SIGTERM]); print('stopped')"
    blocked = f"import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]); {waits}"

    with pytest.raises(AssertionError, match=r"took longer than 1 s\nbegun\nstopped"):
        run([sys.executable, "-c", blocked], cwd=tmp_path, timeout=1)


def test_the_pairs_are_those_that_the_package_supports():
    classifiers = (ROOT / "pyproject.toml").read_text()

    assert {pair.python for pair in PAIRS} == set(re.findall(r"Python :: (3\.\d+)", classifiers))
    assert {pair.name.partition("-django")[2] for pair in PAIRS} == {"5.2", "6"}


def test_nox_has_a_session_for_every_pair():
    printed = run([sys.executable, "-m", "nox", "--list"], cwd=ROOT)

    assert re.findall(r"^\* suite\((.*?)\)", printed, re.MULTILINE) == [pair.name for pair in PAIRS]
