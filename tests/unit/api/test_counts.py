"""Counting in the cache: exact where the cache's steps are atomic, in one round trip to Redis."""

import os
import secrets
import subprocess
import sys
from typing import Any

import pytest
import redis
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache, RedisCacheClient

from jobs.api import throttling
from tests.support import api_costs
from tests.support.source import ROOT


class Evicting(LocMemCache):
    """Drops a count that was there a moment ago, as Memcached may."""

    def incr(self, key: str, *args: Any, **kwargs: Any) -> int:
        self.delete(key)
        return super().incr(key, *args, **kwargs)


def test_a_count_that_was_evicted_is_begun_anew_and_is_no_outage():
    cache = Evicting("evicting", {})

    used = [throttling.count_in(cache, "test", "a", limit=9, now=0, number=n).used for n in (1, 2, -1)]

    assert used == [1, 2, 0]


def redis_cache() -> Any:
    try:
        redis.Redis.from_url(api_costs.REDIS).ping()
    except redis.exceptions.ConnectionError:
        missing = "there is no Redis on 127.0.0.1:6379, and no other cache here is shared by processes"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    return RedisCache(api_costs.REDIS, {})


class AskedByTheInterface(RedisCache):
    """A host's subclass, whose own way to count is respected."""

    def incr(self, *args: Any, **kwargs: Any) -> int:
        return int(super().incr(*args, **kwargs))


class ClientOfItsOwn(RedisCacheClient):
    """Such as one for a cluster, or for tests."""

    def get_client(self, *args: Any, **kwargs: Any) -> Any:
        client = super().get_client(*args, **kwargs)
        client.pipeline = None
        return client


class WithClientOfItsOwn(RedisCache):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._class = ClientOfItsOwn


def test_redis_counts_in_one_round_trip_what_other_caches_count(monkeypatch: pytest.MonkeyPatch):
    fast, sent, name = redis_cache(), [], secrets.token_hex(8)
    fast.get("x")  # connects
    send = redis.Connection.send_packed_command
    monkeypatch.setattr(
        redis.Connection, "send_packed_command", lambda self, *a, **k: sent.append(1) or send(self, *a, **k)
    )
    caches = [
        LocMemCache(name, {}),
        AskedByTheInterface(api_costs.REDIS, {"KEY_PREFIX": "other"}),
        WithClientOfItsOwn(api_costs.REDIS, {"KEY_PREFIX": "own"}),
        fast,
    ]

    # Two windows; the third call gives back, and so does the first one of the second window.
    for now, number in (
        (api_costs.NOON, 1),
        (api_costs.NOON, 5),
        (api_costs.NOON, -1),
        (api_costs.NOON + 60, -1),
        (api_costs.NOON + 60, 3),
    ):
        used = []
        for cache in caches:
            sent.clear()
            used.append(throttling.count_in(cache, "test", name, limit=9, now=now, number=number).used)

        assert used == used[:1] * len(caches)
        assert len(sent) == 1
    assert (
        0
        < fast._cache.get_client(write=True).ttl(fast.make_key(f"jobs:test:{name}:{int(api_costs.NOON // 60)}"))
        <= 120
    )


def test_of_concurrent_requests_exactly_the_limit_passes():
    assert api_costs.count_in_threads(LocMemCache("exact", {}), limit=60, name="a") == 60


def test_with_redis_exactly_the_limit_passes_over_several_processes():
    redis_cache()
    module = "tests.support.api_costs"
    command = [sys.executable, "-m", "tests.support.django_program", module, f"test:{secrets.token_hex(8)}"]

    processes = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    counts = [int(process.communicate(timeout=60)[0]) for process in processes]

    assert sum(counts) == api_costs.LIMIT
