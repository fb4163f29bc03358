"""Forward and back, whatever project model the host has and wherever its app stands."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.empty_database import empty_database, run

HOSTS: Final = {
    # Settings, and the table that holds the projects.
    "default": ("tests.settings", "jobs_project"),
    "swapped": ("tests.settings_swapped", "swaphost_workspace"),
    "derived": ("tests.settings_derived", "derivedhost_project"),
}
OURS: Final = {"jobs_organization", "jobs_job", "jobs_jobevent", "jobs_apikey", "jobs_worker", "jobs_pause", "jobs_statistic"}

pytestmark = [pytest.mark.timeout(120), pytest.mark.uses_database]


def go_there_and_back(settings: str, directory: Path, **variables: str) -> dict[str, Any]:
    with empty_database(directory) as url:
        done = run("-m", "tests.system.migrations.round_trip", settings=settings, DATABASE_URL=url, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(params=["first", "last"], ids=lambda place: f"host-app-{place}")
def place(request: pytest.FixtureRequest) -> str:
    """Where the host's app stands in INSTALLED_APPS."""
    return request.param


@pytest.mark.parametrize("host", ["swapped", "derived"])
def test_a_host_with_a_project_of_its_own_migrates_forward_and_back(host: str, place: str, tmp_path: Path):
    settings, table = HOSTS[host]

    seen = go_there_and_back(settings, tmp_path, HOST_APP=place)

    there = set(seen["steps"]["first forward"])
    assert {table, *OURS} <= there
    assert "jobs_project" not in there
    assert_nothing_is_left(seen)


def test_a_host_without_a_project_of_its_own_migrates_forward_and_back(tmp_path: Path):
    settings, table = HOSTS["default"]

    seen = go_there_and_back(settings, tmp_path)

    assert {table, *OURS} <= set(seen["steps"]["first forward"])
    assert_nothing_is_left(seen)


def assert_nothing_is_left(seen: dict[str, Any]) -> None:
    steps = seen["steps"]
    for step in ("first back", "second back"):
        assert [name for name in steps[step] if name.startswith("jobs_")] == []
    assert "jobs" not in seen["applied"]
    # A second turn finds and leaves what the first one did.
    assert steps["second back"] == steps["first back"]
    assert steps["second forward"] == steps["first forward"]
