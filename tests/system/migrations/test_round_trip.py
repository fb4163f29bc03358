"""Forward and back, whatever project model the host has and wherever its app stands."""

from pathlib import Path
from typing import Final

import pytest

from tests.support.empty_database import empty_database, run_json

OURS: Final = {"jobs_organization", "jobs_job", "jobs_jobevent", "jobs_apikey", "jobs_worker", "jobs_pause", "jobs_statistic"}

pytestmark = [pytest.mark.timeout(120), pytest.mark.uses_database]


# The settings, the table that holds the projects, and where the host's app stands in INSTALLED_APPS.
@pytest.mark.parametrize(
    ("settings", "table", "place"),
    [
        ("settings", "jobs_project", "first"),
        *(("settings_swapped", "swaphost_workspace", place) for place in ("first", "last")),
        *(("settings_derived", "derivedhost_project", place) for place in ("first", "last")),
    ],
)
def test_a_host_migrates_forward_and_back_twice(settings: str, table: str, place: str, tmp_path: Path):
    with empty_database(tmp_path) as url:
        variables = {"DATABASE_URL": url, "HOST_APP": place}
        seen = run_json("-m", "tests.system.migrations.round_trip", settings=f"tests.{settings}", **variables)

    steps = seen["steps"]
    there = set(steps["first forward"])
    assert {table, *OURS} <= there
    assert ("jobs_project" in there) == (table == "jobs_project")
    assert not [name for turn in ("first", "second") for name in steps[f"{turn} back"] if name.startswith("jobs_")]
    assert "jobs" not in seen["applied"]
    # A second turn finds and leaves what the first one did.
    assert steps["second back"] == steps["first back"]
    assert steps["second forward"] == steps["first forward"]


