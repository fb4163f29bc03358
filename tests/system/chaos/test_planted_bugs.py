"""The checker finds each of eight planted bugs, and nothing in the same scenario without the bug."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.system.chaos.planted_bugs import BUGS

pytestmark = [pytest.mark.timeout(200), pytest.mark.uses_database]


@pytest.mark.parametrize("options", [(), ("--clean",)], ids=["planted", "clean"])
@pytest.mark.parametrize("bug", BUGS)
def test_the_checker_catches_the_bug_and_finds_nothing_without_it(
    run_chaos: Callable[..., dict[str, Any]], bug: str, options: tuple[str, ...]
) -> None:
    result = run_chaos("scenario", "--bug", bug, *options)

    assert result["caught"] is not bool(options), result
    assert result["is_clean"] is bool(options), result
