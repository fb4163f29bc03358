"""Ask a shared cache for more than a limit allows, from many threads: ``python -m tests.support.api_costs NAME``."""

import os
import sys
import threading
from typing import Any, Final

REDIS: Final = "redis://127.0.0.1:6379/15"
LIMIT: Final = 150
THREADS: Final = 4
REQUESTS_A_THREAD: Final = 50
# In the middle of a window, so that no test begins in one and ends in the next.
NOON: Final = 1_800_000_018.5


def count_in_threads(cache: Any, *, limit: int, name: str) -> int:
    """Return how many of ``THREADS * REQUESTS_A_THREAD`` requests pass."""
    from jobs.api.throttling import count_in  # once Django is set up

    passed: list[bool] = []
    start = threading.Barrier(THREADS)

    def ask() -> None:
        start.wait()
        quotas = [count_in(cache, name, limit=limit, now=NOON) for _ in range(REQUESTS_A_THREAD)]
        passed.extend(not quota.is_exceeded for quota in quotas)

    workers = [threading.Thread(target=ask) for _ in range(THREADS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(passed) == THREADS * REQUESTS_A_THREAD
    return sum(passed)


if __name__ == "__main__":
    import django
    from django.core.cache.backends.redis import RedisCache

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    print(count_in_threads(RedisCache(REDIS, {}), limit=LIMIT, name=sys.argv[1]))
