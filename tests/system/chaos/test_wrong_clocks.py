"""On PostgreSQL only the database's clock decides: real workers on hosts whose clocks are a day off, or jump."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from tests.system.chaos.fake_clock import CLOCKS

RunChaos = Callable[..., dict[str, Any]]

pytestmark = [
    pytest.mark.timeout(200),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no clock but the host's"),
]


@pytest.mark.parametrize(("clock", "believed"), [("tomorrow", [1, 1]), ("yesterday", [-1, -1]), ("jumps", [1, -1])])
def test_under_a_wrong_clock_jobs_start_in_time_and_only_dead_workers_lose_theirs(
    run_chaos: RunChaos, clock: str, believed: list[int]
) -> None:
    result = run_chaos("clocks", "--clock", clock)

    assert result["is_clean"], result
    assert result["rescued_in_time"]
    assert result["statuses"] == {"completed": 3, "scheduled": 1}
    # The worker really had that clock: its log is dated by it.
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
def test_an_engine_that_trusts_the_hosts_clock_is_caught(run_chaos: RunChaos, bug: str, clock: str, kind: str) -> None:
    result = run_chaos("clocks", "--clock", clock, "--bug", bug)

    assert result["counts"][kind], result
    assert not result["is_clean"]


def test_an_engine_that_writes_the_hosts_time_is_caught_in_every_column(run_chaos: RunChaos) -> None:
    result = run_chaos("clocks", "--clock", "tomorrow", "--bug", "dated_by_host")

    columns = {f"Job.{name}_at" for name in ("created", "updated", "started", "begun", "finished", "progress")}
    assert columns | {"JobEvent.at", "verified_at"} <= result["misdated"].keys()
    assert not result["is_clean"]
