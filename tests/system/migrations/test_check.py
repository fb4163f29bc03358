"""``jobs.E003``: migrations of a host that cannot work are named, with the cure."""

import re
from pathlib import Path
from typing import Final

import pytest

from tests.support.empty_database import run
from tests.support.source import ROOT

pytestmark = pytest.mark.uses_database

SETTINGS: Final = """
from tests.{host} import *
MIGRATION_MODULES = {{"{label}": "host_migrations"}}
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """An empty package ``host_migrations``, which the settings below take for the host app's migrations."""
    package = tmp_path / "host_migrations"
    package.mkdir()
    (package / "__init__.py").touch()
    return package


def check(package: Path, *, host: str, label: str, command: str = "check") -> str:
    """Run a command of manage.py with the package's migrations; return all that it printed."""
    directory = package.parent
    (directory / "host_settings.py").write_text(SETTINGS.format(host=host, label=label))
    arguments = [command, label] if command == "makemigrations" else [command]
    done = run("manage.py", *arguments, settings="host_settings", PYTHONPATH=f"{ROOT}:{directory}")
    return done.stdout + done.stderr


def test_the_circle_that_makemigrations_writes_is_named_with_its_cure(package: Path):
    host = {"host": "settings_swapped", "label": "swaphost"}
    check(package, command="makemigrations", **host)
    (written,) = package.glob("0001_*.py")

    before = check(package, **host)
    text = written.read_text()
    (newest,) = re.findall(r"\('jobs', '([0-9]{4}_[a-z_]+)'\)", text)
    written.write_text(text.replace(newest, "0001_organization"))
    after = check(package, **host)

    assert "jobs.E003" in before
    assert "('jobs', '0001_organization')" in before
    assert newest > "0001_organization"
    assert "no issues" in after


def test_a_project_that_is_created_too_late_is_told_of_run_before(package: Path):
    for path in (ROOT / "tests/support/derivedhost/migrations").glob("0*.py"):
        text = path.read_text().replace('run_before = [\n        ("jobs", "0002_jobs"),\n    ]', "run_before = []")
        (package / path.name).write_text(text)

    told = check(package, host="settings_derived", label="derivedhost")

    assert "jobs.E003" in told
    assert "run_before = [('jobs', '0002_jobs')]" in told
