"""Limits of requests per minute: by caller, and of failed authentications by address.

Counted in Django's cache only, so that a refused request costs no statement. When the cache
fails, no request is refused: the limits are for fairness among callers, not for security.

Source: draft-ietf-httpapi-ratelimit-headers-10 (``RateLimit``, ``RateLimit-Policy``);
RFC 9110 §10.2.3 (``Retry-After``), RFC 6585 §4 (429).
"""

import ipaddress
import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.core.cache import BaseCache, caches
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from .. import conf

logger = logging.getLogger(__name__)

WINDOW_SECONDS: Final = 60
# A count outlives its window, so that it cannot expire between the two calls that count.
KEPT_SECONDS: Final = 2 * WINDOW_SECONDS
WARN_SECONDS: Final = 60
# The bits of an IPv6 address that a customer can choose, at least.
IPV6_HOST_BITS: Final = 64


@dataclass(frozen=True, kw_only=True)
class Quota:
    """The limit of one window, and how much of it is used, this request included."""

    limit: int
    used: int
    # Until the window ends, 1 to 60.
    seconds_left: int

    @property
    def is_exceeded(self) -> bool:
        return self.used > self.limit

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every answer to a known caller."""
        left = max(0, self.limit - self.used)
        return {
            "RateLimit-Policy": f'"key";q={self.limit};w={WINDOW_SECONDS}',
            "RateLimit": f'"key";r={left};t={self.seconds_left}',
        }


class CallerThrottle(BaseThrottle):
    """Allows each caller ``REQUESTS_PER_MINUTE`` requests; the view counts them with :meth:`count`."""

    def count(self, identity: str) -> Quota | None:
        """Count a request of this caller, for ``view.quota``; None: there is no limit, or the cache does not answer."""
        return _count(conf.current().requests_per_minute, f"key:{identity}")

    def allow_request(self, request: Request, view: Any) -> bool:
        """Return whether the request that the view has counted is within the limit."""
        self.quota: Quota | None = view.quota
        return self.quota is None or not self.quota.is_exceeded

    def wait(self) -> float | None:
        """Return after how many seconds the next window begins."""
        return self.quota.seconds_left if self.quota else None


def count_failed_key(meta: Mapping[str, Any]) -> Quota | None:
    """Count a failed authentication by the client's address; ``meta`` is ``request.META``."""
    return _count(conf.current().failed_keys_per_minute, f"address:{client_address(meta)}")


def client_address(meta: Mapping[str, Any]) -> str:
    """Return the address to count: IPv4 whole, of IPv6 the first 64 bits; empty if the server knows none.

    With ``TRUSTED_PROXIES`` n it is the n-th address from the right of ``X-Forwarded-For``, which the
    outermost proxy saw; anybody may have written what is left of it. Where that is missing or no
    address, it is the address that connected.
    """
    proxies = conf.current().trusted_proxies
    if proxies:
        forwarded = str(meta.get("HTTP_X_FORWARDED_FOR", "")).split(",")
        address = _normal(forwarded[-proxies].strip()) if len(forwarded) >= proxies else ""
        if address:
            return address
    return _normal(str(meta.get("REMOTE_ADDR", "")))


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


def _count(limit: int | None, what: str) -> Quota | None:
    if limit is None:
        return None
    alias = conf.current().cache
    # This machine's clock, not the database's: it costs no statement. Only the start of windows depends on it;
    # machines whose clocks differ by a second count that second in different windows.
    now = time.time()
    try:
        return count_in(caches[alias], what, limit=limit, now=now)
    # Each backend raises what its client does: redis.RedisError, MemcacheError, pylibmc.Error, django.db.Error,
    # OSError, zlib.error. Exception is their only common base, and few of them are installed.
    except Exception as error:  # noqa: BLE001 – none may fail a request
        _warn(alias, error)
        return None


def count_in(cache: BaseCache, what: str, *, limit: int, now: float) -> Quota:
    """Count one more of ``what`` in the window of ``now``; exact if the cache's ``add`` and ``incr`` are atomic."""
    window, elapsed = divmod(now, WINDOW_SECONDS)
    key = f"jobs:{what}:{int(window)}"
    used = 1 if cache.add(key, 1, timeout=KEPT_SECONDS) else cache.incr(key)
    return Quota(limit=limit, used=used, seconds_left=WINDOW_SECONDS - int(elapsed))


class _Warned:
    """When this process last logged that a cache fails; otherwise each request would."""

    lock: Final = threading.Lock()
    at: float | None = None


def _warn(alias: str, error: Exception) -> None:
    now = time.monotonic()
    with _Warned.lock:
        if _Warned.at is not None and now - _Warned.at < WARN_SECONDS:
            return
        _Warned.at = now
    # The error's text is not logged: it may name the cache's address and login.
    logger.warning("Requests are not limited, as the cache %r fails: %s", alias, type(error).__name__)
