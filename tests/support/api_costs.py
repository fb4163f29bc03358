"""Asks a cache for more than a limit allows, from many threads: ``django_program tests.support.api_costs NAME``."""

import sys
import threading
from typing import Any, Final

from django.core.cache.backends.redis import RedisCache

from jobs.api.throttling import count_in
from tests.support.concurrency import InThread

REDIS: Final = "redis://127.0.0.1:6379/15"
LIMIT: Final = 150
THREADS: Final = 4
REQUESTS_A_THREAD: Final = 50
# In the middle of a window, so that no test begins in one and ends in the next.
NOON: Final = 1_800_000_018.5


def count_in_threads(cache: Any, *, limit: int, name: str) -> int:
    """Return how many of ``THREADS * REQUESTS_A_THREAD`` requests pass."""
    start = threading.Barrier(THREADS)

    def ask() -> list[bool]:
        start.wait()
        return [count_in(cache, "test", name, limit=limit, now=NOON).is_exceeded for _ in range(REQUESTS_A_THREAD)]

    threads = [InThread(ask) for _ in range(THREADS)]
    return sum(thread.result().count(False) for thread in threads)


if __name__ == "__main__":
    print(count_in_threads(RedisCache(REDIS, {}), limit=LIMIT, name=sys.argv[1]))
