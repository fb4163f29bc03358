"""Checks what workers log during outages: at most one line in 5 s about the database, and no other warning."""

import re
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from typing import Final

EVERY_SECONDS: Final = 5.0
ROUNDING_SECONDS: Final = 0.05
LINE: Final = re.compile(r"(?P<at>\S+)Z (?P<level>[A-Z]+) (?P<logger>\S+) (?P<text>.*)")
ABOUT_THE_OUTAGE: Final = "database trouble"
# The others are a line a job, and true: its lease had run out.
EXPECTED: Final = (
    ABOUT_THE_OUTAGE,
    "is no longer this worker's",
    "rescued from a worker that is gone",
    "failed after too many crashes",
)


def trouble_lines(log: str) -> list[datetime]:
    """Return the instants of the lines about an outage."""
    matches = filter(None, map(LINE.fullmatch, log.splitlines()))
    return [datetime.fromisoformat(match["at"]) for match in matches if ABOUT_THE_OUTAGE in match["text"]]


def problems_of(log: str) -> Iterator[str]:
    """Yield what should not be there: other warnings, tracebacks, and lines that come too soon after each other."""
    for line in log.splitlines():
        match = LINE.fullmatch(line)
        if match is None:
            yield f"not a line of the log: {line[:300]}"
        elif match["level"] not in ("DEBUG", "INFO") and not any(words in line for words in EXPECTED):
            yield line[:600]
    for before, after in pairwise(trouble_lines(log)):
        if (after - before).total_seconds() < EVERY_SECONDS - ROUNDING_SECONDS:
            yield f"{after - before} between two lines about outages, at {after:%H:%M:%S.%f}"
