"""The checker finds each of twelve planted bugs, and nothing in the same scenario without the bug."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.concurrency import postgresql_only
from tests.system.chaos.planted_bugs import BUGS, BUGS_OF_POSTGRESQL

pytestmark = [pytest.mark.timeout(200), pytest.mark.uses_database]


@pytest.mark.parametrize("options", [(), ("--clean",)], ids=["planted", "clean"])
@pytest.mark.parametrize(
    "bug", [pytest.param(bug, marks=[postgresql_only] if bug in BUGS_OF_POSTGRESQL else []) for bug in BUGS]
)
def test_the_checker_catches_the_bug_and_finds_nothing_without_it(
    run_chaos: Callable[..., dict[str, Any]], bug: str, options: tuple[str, ...]
) -> None:
    result = run_chaos("scenario", "--bug", bug, *options)

    assert result["caught"] is not bool(options), result
    assert result["is_clean"] is bool(options), result
