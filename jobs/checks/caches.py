"""Checks of the cache that counts requests."""

from typing import Any

from django.core.cache import InvalidCacheBackendError, caches
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.checks import CheckMessage, Error, Warning, register

from .. import conf
from .settings import check_settings


@register("jobs")
def check_cache(**_: Any) -> list[CheckMessage]:
    """Refuse an alias that no cache has (``jobs.E007``)."""
    if check_settings():
        return []
    try:
        caches[conf.current().cache]
    except InvalidCacheBackendError as error:
        hint = "Name in JOBS['CACHE'] one of the aliases in CACHES."
        return [Error(f"The cache that counts requests: {error}", hint=hint, id="jobs.E007")]
    return []


# For deployment only: the count of a single process, as in development, is right.
@register("jobs", deploy=True)
def check_shared_cache(**_: Any) -> list[CheckMessage]:
    """Warn of a cache that is each process's own, or stores nothing (``jobs.W002``)."""
    cache = _counting_cache()
    if not isinstance(cache, LocMemCache | DummyCache):
        return []
    return [
        Warning(
            f"The cache {conf.current().cache!r} is each process's own, so limits of requests are as many times what "
            "they say as there are processes.",
            hint="Let all processes share one, such as django.core.cache.backends.redis.RedisCache, and name its alias "
            "in JOBS['CACHE']; or set the limits per minute to None.",
            id="jobs.W002",
        )
    ]


@register("jobs", deploy=True)
def check_counting_cache(**_: Any) -> list[CheckMessage]:
    """Warn of a cache that reads and writes a count in two steps, so that some are lost (``jobs.W006``)."""
    cache = _counting_cache()
    if cache is None or type(cache).incr is not BaseCache.incr or isinstance(cache, DummyCache):
        return []
    return [
        Warning(
            f"The cache {conf.current().cache!r} cannot count in one step, so of requests at the same time some are "
            "not counted, and limits let more through than they say.",
            hint="Files and tables of a database cannot; Redis and Memcached can: name the alias of such a cache in "
            "JOBS['CACHE'].",
            id="jobs.W006",
        )
    ]


def _counting_cache() -> BaseCache | None:
    """Return the cache that counts requests; None: none are counted, or another check has refused the settings."""
    if check_settings() or check_cache():
        return None
    settings = conf.current()
    limits = (settings.requests_per_minute, settings.failed_keys_per_minute, settings.new_jobs_per_minute)
    if not any(limits):
        return None
    return caches[settings.cache]
