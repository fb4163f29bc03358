"""A share of what ``make chaos`` does at length."""

import pytest

from tests.system.chaos.running import run_part
from tests.system.engines.engines import Celery, check_available

pytestmark = pytest.mark.uses_database

SEED = 20261123
KILLS = 32  # on each database
KILLS_OF_CELERY = 8  # its workers take seconds to start


@pytest.mark.timeout(300)
def test_jobs_survive_that_workers_are_killed_again_and_again() -> None:
    result = run_part("kills", f"--count={KILLS}", f"--seed={SEED}")

    assert result["is_clean"], result["first"]
    assert result["faults"]["random kill"] == KILLS
    assert not result["late_exits"]
    assert result["recoveries"] > 0


@pytest.mark.timeout(300)
def test_jobs_survive_that_workers_are_frozen_for_longer_than_their_lease() -> None:
    result = run_part("freezes", "--count=5", f"--seed={SEED}")

    assert result["is_clean"], result["first"]
    assert result["faults"]["freeze"] == 5


@pytest.mark.timeout(300)
def test_of_a_cancel_and_whatever_else_happens_one_wins() -> None:
    result = run_part("races", "--count=150", f"--seed={SEED}")

    assert result["is_clean"], result["first"]


@pytest.mark.timeout(600)
def test_jobs_survive_that_celery_s_workers_are_killed_again_and_again() -> None:
    check_available(Celery)

    result = run_part("celery", f"--count={KILLS_OF_CELERY}", f"--seed={SEED}")

    assert result["is_clean"], result["first"]
    assert sum(result["faults"].values()) == KILLS_OF_CELERY
    assert not result["late_exits"]
