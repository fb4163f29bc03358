"""The checker finds each of eight planted bugs, and nothing in the same scenario without the bug."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.system.chaos.planted_bugs import BUGS

pytestmark = [pytest.mark.timeout(200), pytest.mark.uses_database]


@pytest.mark.parametrize("bug", BUGS)
def test_the_checker_catches_the_bug(run_chaos: Callable[..., dict[str, Any]], bug: str) -> None:
    result = run_chaos("scenario", "--bug", bug)

    assert result["caught"], result


@pytest.mark.parametrize("bug", BUGS)
def test_the_checker_finds_nothing_without_the_bug(run_chaos: Callable[..., dict[str, Any]], bug: str) -> None:
    result = run_chaos("scenario", "--bug", bug, "--clean")

    assert result["is_clean"], result["first"]
    assert not result["caught"]
