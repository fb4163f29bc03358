"""On PostgreSQL only the database's clock decides: real workers on hosts whose clocks are a day off, or jump."""

from typing import Any

import pytest
from django.db import connection

from tests.system.chaos.host_clock import CLOCKS
from tests.system.chaos.running import run_part

pytestmark = [
    pytest.mark.timeout(200),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no clock but the host's"),
]


def scene(clock: str, bug: str = "") -> dict[str, Any]:
    """Play it: one worker holds a job and dies, one with a wrong clock has two that are due and one for later."""
    return run_part("clocks", "--clock", clock, "--bug", bug)


@pytest.mark.parametrize(("clock", "believed"), [("tomorrow", [1, 1]), ("yesterday", [-1, -1]), ("jumps", [1, -1])])
def test_under_a_wrong_clock_nothing_starts_early_nor_late_and_only_the_dead_are_rescued(
    clock: str, believed: list[int]
) -> None:
    result = scene(clock)

    assert result["is_clean"], (result["first"], result["misdated"], result["rescue"])
    assert result["rescued_in_time"]
    assert result["statuses"] == {"completed": 3, "scheduled": 1}
    # It was not only told so: its log is dated by its own clock.
    assert result["believed"] == believed
    assert (result["jumps"] > 20) == (len(CLOCKS[clock]) > 1)


@pytest.mark.parametrize(
    ("bug", "clock", "kind"),
    [
        ("due_by_host", "tomorrow", "lies"),
        ("due_by_host", "yesterday", "stuck"),
        ("rescue_by_host", "tomorrow", "taken"),
        ("rescue_by_host", "yesterday", "stuck"),
        ("rescue_by_host", "jumps", "taken"),
    ],
)
def test_an_engine_that_believes_in_the_hosts_clock_is_found_out(bug: str, clock: str, kind: str) -> None:
    result = scene(clock, bug)

    assert result["counts"][kind], result
    assert not result["is_clean"]


def test_an_engine_that_writes_the_hosts_time_is_found_out_in_every_column() -> None:
    result = scene("tomorrow", "dated_by_host")

    columns = {f"Job.{name}_at" for name in ("created", "updated", "started", "begun", "finished", "progress")}
    assert columns | {"JobEvent.at", "verified_at"} <= result["misdated"].keys()
    assert not result["is_clean"]
