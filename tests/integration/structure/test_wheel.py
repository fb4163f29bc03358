"""What a host installs: the app alone, with all that it needs at run time."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.support.source import ROOT


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The paths in a freshly built wheel."""
    directory = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", directory]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    (wheel,) = directory.iterdir()
    return set(ZipFile(wheel).namelist())


def test_the_wheel_holds_the_app_and_nothing_else(names: set[str]):
    tops = {Path(name).parts[0] for name in names}

    assert {top.partition("-")[0] for top in tops} == {"jobs", "django_jobsite"}
    assert len(tops) == 2


def test_the_wheel_holds_all_of_the_app(names: set[str]):
    files = [path for path in (ROOT / "jobs").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    wanted = {path.relative_to(ROOT).as_posix() for path in files}

    assert wanted <= names
    assert "jobs/py.typed" in wanted
    assert "jobs/migrations/0001_organization.py" in wanted


def test_the_wheel_holds_the_license(names: set[str]):
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
