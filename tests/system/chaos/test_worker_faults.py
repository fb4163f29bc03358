"""Short runs of what ``make chaos`` does at length: killed, frozen and raced workers, and Celery's."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.system.engines.engines import Celery, check_available

pytestmark = pytest.mark.uses_database

RunChaos = Callable[..., dict[str, Any]]

SEED = 20261123
KILLS = 32  # on each database
KILLS_OF_CELERY = 8  # its workers take seconds to start


@pytest.mark.timeout(300)
def test_jobs_survive_repeated_kills_of_workers(run_chaos: RunChaos) -> None:
    result = run_chaos("kills", f"--count={KILLS}", f"--seed={SEED}")

    assert result["is_clean"], result
    assert result["faults"]["random kill"] == KILLS
    assert not result["late_exits"]
    assert result["recoveries"] > 0


@pytest.mark.timeout(300)
def test_jobs_survive_freezes_longer_than_the_lease(run_chaos: RunChaos) -> None:
    result = run_chaos("freezes", "--count=5", f"--seed={SEED}")

    assert result["is_clean"], result
    assert result["faults"]["freeze"] == 5


@pytest.mark.timeout(300)
def test_exactly_one_of_a_cancel_and_another_transition_wins(run_chaos: RunChaos) -> None:
    result = run_chaos("races", "--count=150", f"--seed={SEED}")

    assert result["is_clean"], result


@pytest.mark.timeout(600)
def test_jobs_survive_repeated_kills_of_celery_workers(run_chaos: RunChaos) -> None:
    check_available(Celery)

    result = run_chaos("celery", f"--count={KILLS_OF_CELERY}", f"--seed={SEED}")

    assert result["is_clean"], result
    assert sum(result["faults"].values()) == KILLS_OF_CELERY
    assert not result["late_exits"]
