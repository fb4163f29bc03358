"""Waits of minutes, and limits of a hundred rounds, made short enough for a run."""

from datetime import timedelta
from typing import Any, Final

from jobs.execution import outcomes
from jobs.processes import watchdog

WAITS: Final[dict[Any, dict[str, Any]]] = {
    outcomes: {
        "SHORT_WAIT": timedelta(milliseconds=50),
        "LONGEST_INTERRUPTION_WAIT": timedelta(milliseconds=200),
        "MOST_IN_A_ROW": 5,
        "MOST_INTERRUPTIONS": 10,
    },
    watchdog: {"SHORTEST_SECONDS": 3.0},
}


def shorten() -> None:
    """Replace the constants; one that is not there was renamed, and the run would take hours."""
    for module, waits in WAITS.items():
        for name, value in waits.items():
            assert hasattr(module, name), f"{module} has no {name}"
            setattr(module, name, value)
