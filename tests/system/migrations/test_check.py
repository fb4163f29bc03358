"""``jobs.E003``: migrations of a host that cannot work are named, with the cure."""

import re
from pathlib import Path
from typing import Final

import pytest

from tests.support.empty_database import host_migrations, run
from tests.support.source import ROOT

pytestmark = pytest.mark.uses_database

SETTINGS: Final = """
from tests.{host} import *
MIGRATION_MODULES = {{"{label}": "host_migrations"}}
"""


def manage(directory: Path, *arguments: str) -> str:
    """Run a command of manage.py with the host's settings in the directory; return all that it printed."""
    done = run("manage.py", *arguments, settings="host_settings", PYTHONPATH=f"{ROOT}:{directory}")
    return done.stdout + done.stderr


def test_the_circle_that_makemigrations_writes_is_named_with_its_cure(tmp_path: Path):
    package = host_migrations(tmp_path, SETTINGS.format(host="settings_swapped", label="swaphost"))
    manage(tmp_path, "makemigrations", "swaphost")
    (written,) = package.glob("0001_*.py")

    before = manage(tmp_path, "check")
    text = written.read_text()
    (newest,) = re.findall(r"\('jobs', '([0-9]{4}_[a-z_]+)'\)", text)
    written.write_text(text.replace(newest, "0001_organization"))
    after = manage(tmp_path, "check")

    assert "jobs.E003" in before
    assert "('jobs', '0001_organization')" in before
    assert newest > "0001_organization"
    assert "no issues" in after


def test_a_project_that_is_created_too_late_is_told_of_run_before(tmp_path: Path):
    package = host_migrations(tmp_path, SETTINGS.format(host="settings_derived", label="derivedhost"))
    for path in (ROOT / "tests/support/derivedhost/migrations").glob("0*.py"):
        text = path.read_text().replace('run_before = [\n        ("jobs", "0002_jobs"),\n    ]', "run_before = []")
        (package / path.name).write_text(text)

    told = manage(tmp_path, "check")

    assert "jobs.E003" in told
    assert "run_before = [('jobs', '0002_jobs')]" in told
