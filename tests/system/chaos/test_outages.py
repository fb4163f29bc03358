"""Outages of the database, each kind once; and the check of what workers log about them."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.system.chaos.outage_logs import problems_of

pytestmark = pytest.mark.uses_database

SEED = 20261124
KINDS = 6  # of PostgreSQL; SQLite has fewer, and meets them more often


@pytest.mark.timeout(400)
def test_workers_and_api_recover_from_outages_by_themselves(run_chaos: Callable[..., dict[str, Any]]) -> None:
    result = run_chaos("outages", f"--count={KINDS}", f"--seed={SEED}")

    assert result["is_clean"], result
    assert sum(result["faults"].values()) == result["recoveries"] == KINDS
    assert set(result["faults"]) | {"up"} == set(result["answers"])
    for state, answers in result["answers"].items():
        assert "POST 503" in answers or state in ("up", "locked"), f"no call failed in {state}: {answers}"
    # What needs a disk of its own is left out where none may be mounted.
    assert set(result["left_out"]) <= {"read-only", "full disk", "full log"}


def test_two_lines_about_an_outage_within_five_seconds_are_a_problem() -> None:
    line = "2026-11-24T10:00:{}Z WARNING jobs.processes.threads worker=a:1:b database trouble: OperationalError"
    log = "\n".join([line.format("00.000"), line.format("05.001"), line.format("09.900")])

    found = list(problems_of(log))

    assert found == ["0:00:04.899000 between two lines about outages, at 10:00:09.900000"]


@pytest.mark.parametrize(
    "line",
    [
        "Traceback (most recent call last):",
        "2026-11-24T10:00:00.000Z ERROR jobs.runner job=1 raised OperationalError",
    ],
)
def test_any_other_error_in_the_log_is_a_problem(line: str) -> None:
    assert list(problems_of(line)) == [line if "Z " in line else f"not a line of the log: {line}"]
