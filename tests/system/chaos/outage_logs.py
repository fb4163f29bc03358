"""What a worker may say about an outage: at most one line in 5 s, and of no other kind."""

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
EXPECTED: Final = (ABOUT_THE_OUTAGE, "is no longer this worker's", "rescued from a worker that is gone")


def trouble_lines(log: str) -> list[datetime]:
    """Return when the log speaks of an outage."""
    matches = filter(None, map(LINE.fullmatch, log.splitlines()))
    return [datetime.fromisoformat(match["at"]) for match in matches if ABOUT_THE_OUTAGE in match["text"]]


def problems_of(log: str) -> Iterator[str]:
    """Yield what should not be there: lines too soon after each other, other warnings, tracebacks."""
    for line in log.splitlines():
        match = LINE.fullmatch(line)
        if match is None:
            yield f"not a line of the log: {line[:300]}"
        elif match["level"] not in ("DEBUG", "INFO") and not any(words in line for words in EXPECTED):
            yield line[:600]
    instants = trouble_lines(log)
    for before, after in pairwise(instants):
        if (after - before).total_seconds() < EVERY_SECONDS - ROUNDING_SECONDS:
            yield f"{after - before} between two lines about outages, at {after:%H:%M:%S.%f}"
