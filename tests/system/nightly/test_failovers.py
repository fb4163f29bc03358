"""A primary that is lost under load: with a synchronous standby nothing acknowledged is lost, else the lag alone."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

RunChaos = Callable[..., dict[str, Any]]

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no standby"),
]


def test_a_failover_to_a_synchronous_standby_loses_nothing(run_chaos: RunChaos) -> None:
    result = run_chaos("failover", "--count=1", "--seed=20261130")

    assert result["is_clean"], result
    assert result["faults"] == {"failover": 1}


def test_a_failover_to_an_asynchronous_standby_loses_nothing_older_than_its_lag(run_chaos: RunChaos) -> None:
    result = run_chaos("asynchronous", "--count=1", "--seed=20261130")

    assert result["is_clean"], result
    assert result["faults"] == {"asynchronous failover": 1}
    assert not result["unexplained"]
