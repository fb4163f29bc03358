"""The oldest and the newest pair of Python and Django: what differs most between them, on both databases.

``nox`` runs the whole suite on all pairs; this is the part of it that ``make check`` has time for.
"""

import os
import re
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.environments import make_environment, required_python, run
from tests.support.interpreters import PAIRS, REQUIRED, Pair, find_python
from tests.support.source import ROOT

pytestmark = pytest.mark.timeout(1_200)

# What these tests import, beside what `jobs` needs.
PACKAGES: Final = [
    *("djangorestframework>=3.16", "django-filter>=25.1", "psycopg[binary]>=3.2", "dj-database-url>=3"),
    *("whitenoise>=6.9", "drf-spectacular-sidecar>=2026.1", "redis>=5"),
    *("pytest>=8.4", "pytest-django>=4.11", "pytest-timeout>=2.4", "pytest-xdist>=3.6"),
]
# Migrations, the whole admin, all use cases, the contract, the engine's own SQL: what a new Django breaks first.
TESTS: Final = [
    *(
        "tests/unit/admin",
        "tests/unit/models",
        "tests/unit/services",
        "tests/unit/checks",
        "tests/integration/services",
    ),
    *("tests/integration/testing", "tests/system/migrations", "tests/unit/management/test_commands.py"),
    *("tests/unit/api/test_contract.py", "tests/unit/api/test_create_job.py", "tests/unit/api/test_errors.py"),
    *("tests/unit/api/test_hooks.py", "tests/unit/api/test_health.py", "tests/integration/api/test_hosts_settings.py"),
    *("tests/integration/test_middleware.py", "tests/integration/lifecycle/test_job_finished.py"),
    *("tests/unit/lifecycle/test_transitions.py", "tests/integration/execution/test_whole_job.py"),
]
# API and use cases once more with another project take as long as all of these; plans need tens of thousands of rows.
LEFT_OUT: Final = ["--ignore=tests/system/migrations/test_swapped_project.py", "--ignore-glob=*/test_*_plans.py"]


@pytest.mark.parametrize("pair", REQUIRED, ids=str)
def test_the_suite_s_core_passes_on_the_oldest_and_the_newest_pair(pair: Pair, tmp_path: Path):
    interpreter = required_python(pair)
    python = make_environment(tmp_path / "environment", python=interpreter, packages=[pair.django, *PACKAGES])
    # On the server of this run, if it has one; its own variables are not for the run inside.
    own = {"DJANGO_SETTINGS_MODULE", "TEST_RUN", "PYTEST_CURRENT_TEST"}
    environment = {name: value for name, value in os.environ.items() if name not in own}
    if os.environ.get("DATABASE_URL", "").startswith("postgres"):
        environment["TEST_DATABASE_URL"] = os.environ["DATABASE_URL"]

    command = [str(python), "-m", "tests.run", "-q", *LEFT_OUT, *TESTS]
    printed = run(command, cwd=ROOT, env=environment, timeout=1_100)

    assert "The suite on SQLite" in printed
    assert "The suite on PostgreSQL" in printed
    assert len(re.findall(r"^[0-9]+ passed", printed, re.MULTILINE)) == 2


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


def test_a_required_interpreter_that_is_missing_fails_on_a_build_server_only(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tests.support.environments.find_python", lambda version: None)
    newest = REQUIRED[-1]

    monkeypatch.setenv("CI", "1")
    with pytest.raises(pytest.fail.Exception, match=r"Python 3\.13 × django>=6.* is required"):
        required_python(newest)
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match=r"pyenv install 3\.13"):
        required_python(newest)


def test_a_program_that_takes_too_long_is_told_to_stop_and_has_failed_however_it_ends(tmp_path: Path):
    waits = "import signal; print('begun', flush=True); signal.sigwait([signal.SIGTERM]); print('wound up')"
    blocked = f"import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]); {waits}"

    with pytest.raises(AssertionError, match=r"took longer than 2 s\nbegun\nwound up"):
        run([sys.executable, "-c", blocked], cwd=tmp_path, timeout=2)


def test_the_pairs_are_those_that_the_package_says_it_supports():
    classifiers = (ROOT / "pyproject.toml").read_text()

    assert {pair.python for pair in PAIRS} == set(re.findall(r"Python :: (3\.\d+)", classifiers))
    assert {pair.name.partition("-django")[2] for pair in PAIRS} == {"5.2", "6"}


def test_nox_runs_the_suite_on_every_pair():
    printed = run([sys.executable, "-m", "nox", "--list"], cwd=ROOT)

    assert re.findall(r"^\* suite\((.*?)\)", printed, re.MULTILINE) == [pair.name for pair in PAIRS]
