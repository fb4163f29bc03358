"""How long to wait before something that failed is tried again: longer each time, and not all processes the same."""

import random


def jitter(seconds: float) -> float:
    """Return a random time from half of ``seconds`` to all of it, so that those who failed together part."""
    return seconds * random.uniform(0.5, 1)  # noqa: S311 – it hides nothing


def backoff(failures: int, *, first: float = 0.1, longest: float = 5.0) -> float:
    """Return the seconds to wait after ``failures`` in a row: ``first``, doubled as often, then :func:`jitter`.

    All times are in seconds; the result is at most ``longest``.
    """
    return jitter(min(first * 2 ** min(failures, 20), longest))
