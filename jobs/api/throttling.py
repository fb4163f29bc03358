"""Limits per minute: of a caller's requests, cancels and new jobs, and of failed authentications by address.

Counted in Django's cache only, so that a refused request costs no statement but those that find its
key and, once a minute, record its use. When the cache fails, no request is refused: the limits are for
fairness among callers, not for security.

Source: draft-ietf-httpapi-ratelimit-headers-11 (``RateLimit``, ``RateLimit-Policy``);
RFC 9110 §10.2.3 (``Retry-After``), RFC 6585 §4 (429).
"""

import ipaddress
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeGuard, TypeVar, cast
from weakref import WeakKeyDictionary

from django.core.cache import BaseCache, caches
from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from .. import conf
from ..exceptions import TooSlow
from ..models import Organization
from ..services.search.jobs import has_waiting

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

WINDOW_SECONDS: Final = 60
# A count outlives its window, so that it cannot expire between the two calls that count.
KEPT_SECONDS: Final = 2 * WINDOW_SECONDS
WARN_SECONDS: Final = 60
# For how long no request waits for a cache that has failed.
AWAY_SECONDS: Final = 5
# How long is remembered whether too many jobs wait. Meanwhile each key creates NEW_JOBS_PER_MINUTE at most.
FULL_SECONDS: Final = 10
NOT_FULL_SECONDS: Final = 60
_clients: Final[WeakKeyDictionary[RedisCache, Any]] = WeakKeyDictionary()
# The bits of an IPv6 address that a customer can choose, at least.
IPV6_HOST_BITS: Final = 64


@dataclass(frozen=True, kw_only=True)
class Quota:
    """The limit of one window, and how much of it is used, this request included.

    ``name`` is what is counted: requests of a key (``key``), its cancels (``cancel``) and previews (``preview``), the
    jobs that it creates (``jobs``), or failures of an address (``address``).
    """

    name: str
    limit: int
    used: int
    # Until the window ends, 1 to 60.
    seconds_left: int

    @property
    def is_exceeded(self) -> bool:
        return self.used > self.limit


def quota_headers(quotas: Sequence[Quota]) -> dict[str, str]:
    """Return the headers of every answer to a known caller: what the request counts in, and what is left."""
    if not quotas:
        return {}
    left = [f'"{quota.name}";r={max(0, quota.limit - quota.used)};t={quota.seconds_left}' for quota in quotas]
    policies = [f'"{quota.name}";q={quota.limit};w={WINDOW_SECONDS}' for quota in quotas]
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(left)}


class CallerThrottle(BaseThrottle):
    """Allows each caller ``REQUESTS_PER_MINUTE`` requests, and as many cancels and previews; the view counts them.

    A cancel may be urgent, so the other requests of its key cannot use up what it needs.
    """

    def count(self, identity: str, *, name: str) -> Quota | None:
        """Count a request of this caller, for ``view.quota``; None: there is no limit, or the cache does not answer."""
        return _count(conf.current().requests_per_minute, name, identity)

    def count_jobs(self, identity: str, number: int) -> Quota | None:
        """Count the jobs that a request asks for, of ``NEW_JOBS_PER_MINUTE``; None: as :meth:`count`."""
        return _count(conf.current().new_jobs_per_minute, "jobs", identity, number=number)

    def give_back(self, quota: Quota, identity: str, *, number: int = 1) -> Quota:
        """Count ``number`` less; return the quota that this leaves."""
        return _count(quota.limit, quota.name, identity, number=-number) or quota

    def allow_request(self, request: Request, view: Any) -> bool:
        """Return whether the request that the view has counted is within the limit."""
        self.quota: Quota | None = view.quota
        return self.quota is None or not self.quota.is_exceeded

    def wait(self) -> float | None:
        """Return after how many seconds the next window begins."""
        return self.quota.seconds_left if self.quota else None


def count_failed_key(meta: Mapping[str, Any]) -> Quota | None:
    """Count a failed authentication by the client's address; ``meta`` is ``request.META``."""
    return _count(conf.current().failed_keys_per_minute, "address", client_address(meta))


def client_address(meta: Mapping[str, Any]) -> str:
    """Return the address to count: IPv4 whole, of IPv6 the first 64 bits; empty if the server knows none.

    With ``TRUSTED_PROXIES`` n it is the n-th address from the right of ``X-Forwarded-For``, which the
    outermost proxy saw; anybody may have written what is left of it. Where that is missing or no
    address, it is the address that connected.
    """
    proxies = conf.current().trusted_proxies
    if proxies:
        forwarded = str(meta.get("HTTP_X_FORWARDED_FOR", "")).split(",")
        address = _normal(_without_port(forwarded[-proxies].strip())) if len(forwarded) >= proxies else ""
        if address:
            return address
    return _normal(str(meta.get("REMOTE_ADDR", "")))


def _without_port(text: str) -> str:
    """Return the address in ``203.0.113.9:567``, ``[2001:db8::1]:443`` or ``[2001:db8::1]``, as some proxies write."""
    if text.startswith("["):
        address, closed, _ = text[1:].partition("]")
        return address if closed else ""
    return text.partition(":")[0] if text.count(":") == 1 else text


def _normal(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return f"{ipaddress.IPv6Address(int(address) >> IPV6_HOST_BITS << IPV6_HOST_BITS)}/64"


def _count(limit: int | None, name: str, identity: str, *, number: int = 1) -> Quota | None:
    if limit is None:
        return None
    # This machine's clock, not the database's: it costs no statement. Only the start of windows depends on it;
    # machines whose clocks differ by a second count that second in different windows.
    now = time.time()
    return _ask_cache(lambda cache: count_in(cache, name, identity, limit=limit, now=now, number=number))


def _ask_cache(ask: Callable[[BaseCache], Answer]) -> Answer | None:
    """Return what the cache answers; None: it fails, or has failed within ``AWAY_SECONDS``, so that few wait for it."""
    now = time.monotonic()
    if now < _Outage.ends_at:
        return None
    if _Outage.ends_at:  # only this request tries
        _Outage.ends_at = now + AWAY_SECONDS
    alias = conf.current().cache
    try:
        answer = ask(caches[alias])
    # Each backend raises what its client does: redis.RedisError, MemcacheError, pylibmc.Error, django.db.Error,
    # OSError, zlib.error. Exception is their only common base, and few of them are installed.
    except Exception as error:  # noqa: BLE001 – none may fail a request
        _Outage.ends_at = time.monotonic() + AWAY_SECONDS  # it may have waited for longer than that
        _warn(alias, error)
        return None
    _Outage.ends_at = 0
    return answer


def count_in(cache: BaseCache, name: str, identity: str, *, limit: int, now: float, number: int = 1) -> Quota:
    """Count ``number`` more in the window of ``now``; exact if the cache's ``add`` and ``incr`` are atomic."""
    window, elapsed = divmod(now, WINDOW_SECONDS)
    used = _add(cache, f"jobs:{name}:{identity}:{int(window)}", number)
    return Quota(name=name, limit=limit, used=used, seconds_left=WINDOW_SECONDS - int(elapsed))


def _add(cache: BaseCache, key: str, number: int) -> int:
    """Add to a count and return it: in one round trip to Redis by Django's backend, which itself takes three."""
    first = max(number, 0)  # a request that gives back in the next window leaves that window alone
    if _is_plain_redis(cache):
        key = cache.make_and_validate_key(key)
        if cache not in _clients:  # Django makes a new one for each call
            _clients[cache] = cast("Any", cache)._cache.get_client(key, write=True)
        commands = _clients[cache].pipeline(transaction=False)
        return int(commands.set(key, first - number, ex=KEPT_SECONDS, nx=True).incrby(key, number).execute()[1])
    if cache.add(key, first, timeout=KEPT_SECONDS):
        return first
    try:
        # Memcached knows no negative steps.
        return cache.incr(key, number) if number >= 0 else cache.decr(key, -number)
    except ValueError:  # evicted meanwhile, which is no outage
        cache.set(key, first, timeout=KEPT_SECONDS)
        return first


def _is_plain_redis(cache: BaseCache) -> TypeGuard[RedisCache]:
    """Whether neither the cache nor its client is of a host's class, which may count otherwise."""
    own = isinstance(cache, RedisCache) and type(cache).incr is RedisCache.incr
    return own and cast("Any", cache)._class is RedisCacheClient


def waiting_is_full(organization: Organization) -> bool:
    """Whether ``MOST_WAITING`` jobs of the organization wait; remembered for a while by all processes together."""
    most = conf.current().most_waiting
    if most is None:
        return False
    name = f"jobs:waiting:{organization.pk}"
    known: bool | None = _ask_cache(lambda cache: cache.get(name))
    if known is not None:
        return known
    try:
        is_full = has_waiting(organization, number=most)
    except TooSlow:  # not asked again for a while; meanwhile NEW_JOBS_PER_MINUTE is the limit
        is_full = False
    _ask_cache(lambda cache: cache.set(name, is_full, timeout=FULL_SECONDS if is_full else NOT_FULL_SECONDS))
    return is_full


class _Outage:
    """Until when this process does not ask a cache that fails, and when it last logged that."""

    ends_at: float = 0
    lock: Final = threading.Lock()
    warned_at: float | None = None


def _warn(alias: str, error: Exception) -> None:
    now = time.monotonic()
    with _Outage.lock:
        if _Outage.warned_at is not None and now - _Outage.warned_at < WARN_SECONDS:
            return
        _Outage.warned_at = now
    # The error's text is not logged: it may name the cache's address and login.
    logger.warning("Requests are not limited, as the cache %r fails: %s", alias, type(error).__name__)
