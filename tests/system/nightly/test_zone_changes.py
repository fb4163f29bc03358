"""The night on which Europe/Berlin's clocks go back: jobs wait for their instant, and run once."""

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.uses_database, pytest.mark.timeout(300)]


def test_no_job_starts_early_or_twice_when_the_clocks_of_the_site_go_back(
    run_chaos: Callable[..., dict[str, Any]],
) -> None:
    result = run_chaos("autumn")

    assert result["is_clean"], result
    assert result["statuses"] == {"completed": 60}
    assert result["late_seconds"][0] >= 0
