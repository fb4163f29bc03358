"""What a piece of work costs, counted and not timed: statements sent, and calls of Python functions.

Both are the same on a fast, a slow and a busy machine.
"""

import sys
from collections.abc import Callable
from statistics import median_low
from types import FrameType
from typing import Final

from tests.support.api_client import counted_statements

Cost = dict[str, int]
# By how much a cost may exceed what is committed.
SLACK: Final = 1.1
WARM_UPS: Final = 3
# Now and then a collection of garbage or the end of a minute adds some calls, or saves some.
REPETITIONS: Final = 5


def python_calls(work: Callable[[], object]) -> int:
    """Return how many Python functions this thread calls in ``work``, a generator's each step included."""
    count = 0

    def note(_: FrameType, event: str, __: object) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def cost_of(prepare: Callable[[], Callable[[], object]]) -> Cost:
    """Return the cost of the work that ``prepare`` returns anew each time, once all is warm."""
    for _ in range(WARM_UPS):
        prepare()()
    calls = [python_calls(prepare()) for _ in range(REPETITIONS)]
    return {"statements": len(counted_statements(prepare())), "calls": median_low(calls)}


def risen(measured: dict[str, Cost], committed: dict[str, Cost], kinds: tuple[str, ...]) -> list[str]:
    """Return a line for each cost that is more than a tenth above the committed one, and for each path without one."""
    lines = [f"{path} has no figures" for path in measured if path not in committed]
    for path, kind in ((path, kind) for path in measured if path in committed for kind in kinds):
        now, before = measured[path][kind], committed[path][kind]
        if now > before * SLACK:
            lines.append(f"{path}: {now:,} {kind}, {now / before - 1:+.0%} to the {before:,} that are committed")
    return lines
