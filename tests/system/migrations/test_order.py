"""Which migration waits for which."""

from typing import Final

import pytest

from tests.support.empty_database import run_json

pytestmark = pytest.mark.uses_database

PLAN: Final = """
import django, json
django.setup()
from django.db.migrations.loader import MigrationLoader
print(json.dumps([".".join(key) for key in MigrationLoader(None).graph.forwards_plan(("jobs", "0002_jobs"))]))
"""


@pytest.mark.parametrize(
    ("settings", "creates_project"),
    [
        ("tests.settings", "jobs.0001_organization"),
        ("tests.settings_swapped", "swaphost.0001_workspace"),
        # Not in its app's first migration: `run_before` puts it there.
        ("tests.settings_derived", "derivedhost.0002_project"),
    ],
)
def test_jobs_are_created_after_the_hosts_project(settings: str, creates_project: str):
    plan = run_json("-c", PLAN, settings=settings)

    assert plan.index("jobs.0001_organization") <= plan.index(creates_project) < plan.index("jobs.0002_jobs")
