"""A rolling release that renames, removes, retires and adds actions: each job ends, or fails with the reason."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="one machine's SQLite file is not released on another"
    ),
]


def test_old_and_new_workers_and_web_beside_each_other_lose_nothing(run_chaos: Callable[..., dict[str, Any]]) -> None:
    result = run_chaos("rolling", "--count=1", "--seed=20261130", "--old=")

    assert result["is_clean"], result
    assert not result["problems"]
    # Jobs of actions that only the old release knows have failed, each with its sentence.
    assert result["ended_with_a_reason"] > 0
