"""The checker bites: it finds each of eight planted bugs, and nothing in the same course of events without them."""

import pytest

from tests.system.chaos.planted import BUGS
from tests.system.chaos.running import run_part

pytestmark = [pytest.mark.timeout(200), pytest.mark.uses_database]


@pytest.mark.parametrize("bug", BUGS)
def test_the_checker_catches_the_bug(bug: str) -> None:
    result = run_part("scenario", "--bug", bug)

    assert result["caught"], result


@pytest.mark.parametrize("bug", BUGS)
def test_without_the_bug_there_is_nothing_to_find(bug: str) -> None:
    result = run_part("scenario", "--bug", bug, "--clean")

    assert result["is_clean"], result["first"]
    assert not result["caught"]
