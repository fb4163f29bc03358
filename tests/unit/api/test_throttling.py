"""Limits of requests: by key, and of failed authentications by address; counted in the cache only."""

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from django.test import Client, override_settings

from jobs.api import throttling
from jobs.models import ApiKey
from jobs.services.tenants.api_keys import revoke_api_key
from tests.support import api_costs
from tests.support.api_client import Api, assert_error, counted_statements
from tests.support.api_limits import limits, statuses
from tests.support.factories import make_key

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def window(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float], None]]:
    """A window of its own for each test; a call sets how many seconds later it is."""

    def later(seconds: float) -> None:
        monkeypatch.setattr(throttling.time, "time", lambda: api_costs.NOON + seconds)

    later(0)
    monkeypatch.setattr(throttling._Outage, "warned_at", None)
    monkeypatch.setattr(throttling._Outage, "ends_at", 0)
    caches["default"].clear()
    yield later
    caches["default"].clear()


def assert_too_many(answer: Any, *, seconds: int) -> None:
    assert_error(answer, 429, "too_many_requests")
    assert answer["Retry-After"] == str(seconds)
    assert "WWW-Authenticate" not in answer


def fail(address: str = "192.0.2.1", **meta: str) -> Any:
    return Client().get("/public/x/jobs", headers={"Authorization": "Bearer x"}, REMOTE_ADDR=address, **meta)


def test_each_answer_has_the_rest_of_the_key_s_limit_and_beyond_it_only_this_key_is_refused_until_the_next_minute(
    api: Api, window: Callable[[float], None]
):
    other = Api(project=api.project, secret=make_key(organization=api.project.organization).secret)

    with limits(REQUESTS_PER_MINUTE=3):
        answers = [api.get("/jobs"), api.get("/jobs/1"), api.call("PUT", "/jobs"), api.get("/jobs")]
        apart = other.get("/jobs")
        window(41.4)
        still = api.get("/jobs")
        window(41.5)
        again = api.get("/jobs")

    assert statuses(*answers, apart, still, again) == [200, 404, 405, 429, 200, 429, 200]
    assert {answer["RateLimit-Policy"] for answer in answers} == {'"key";q=3;w=60'}
    assert [answer["RateLimit"] for answer in answers] == [f'"key";r={left};t=42' for left in (2, 1, 0, 0)]
    assert_too_many(answers[3], seconds=42)
    assert_too_many(still, seconds=1)


def test_method_and_scope_are_refused_before_the_limit_and_the_project_after_it(api: Api):
    reader = make_key(organization=api.project.organization, scopes=["read"])
    api.secret = reader.secret

    with limits(REQUESTS_PER_MINUTE=1):
        api.get("/jobs")
        wrong_method, no_scope = api.call("PUT", "/jobs"), api.post("/jobs", {})
        unknown = api.client.get("/public/unknown/jobs", headers={"Authorization": f"Bearer {api.secret}"})

    assert statuses(wrong_method, no_scope, unknown) == [405, 403, 429]


def test_a_key_counts_under_its_number_and_a_refused_request_costs_only_the_query_of_the_key(api: Api):
    with limits(REQUESTS_PER_MINUTE=1):
        api.get("/jobs")
        (name,) = caches["default"]._cache

        assert len(counted_statements(lambda: api.get("/jobs"))) == 1

    assert f"jobs:key:{ApiKey.objects.get().pk}:" in name


def test_without_a_limit_nothing_is_counted_and_by_default_it_is_600(api: Api):
    with limits():
        answers = [api.get("/jobs") for _ in range(3)]
    with override_settings(JOBS={}):
        default = api.get("/jobs")

    assert statuses(*answers) == [200] * 3
    assert not [answer for answer in answers if "RateLimit" in answer or "RateLimit-Policy" in answer]
    assert default["RateLimit-Policy"] == '"key";q=600;w=60'


def test_an_address_with_too_many_wrong_keys_is_refused_until_the_next_minute_whatever_it_says_of_itself(
    window: Callable[[float], None],
):
    with limits(FAILED_KEYS_PER_MINUTE=2):
        answers = [fail(HTTP_X_FORWARDED_FOR=f"198.51.100.{number}") for number in range(3)]
        apart = fail("192.0.2.2")
        window(42)
        again = fail()

    assert statuses(*answers, apart, again) == [401, 401, 429, 401, 401]
    assert_too_many(answers[2], seconds=42)
    assert not [answer for answer in answers if "RateLimit" in answer]


def test_every_kind_of_missing_or_wrong_key_counts(api: Api):
    revoked = make_key()
    revoke_api_key(revoked.key.prefix)

    with limits(FAILED_KEYS_PER_MINUTE=3):
        answers = [
            api.client.get("/public/x/jobs", headers=headers)
            for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": f"Bearer {revoked.secret}"}, {})
        ]

    assert statuses(*answers) == [401, 401, 401, 429]


def test_a_valid_key_is_not_locked_out_by_failures_from_its_address(api: Api):
    with limits(FAILED_KEYS_PER_MINUTE=1, REQUESTS_PER_MINUTE=10):
        refused = [fail("127.0.0.1") for _ in range(20)]
        served = [api.get("/jobs") for _ in range(5)]

    assert refused[-1].status_code == 429
    assert statuses(*served) == [200] * 5
    assert served[-1]["RateLimit"] == '"key";r=5;t=42'


PROXIES = [
    (0, "203.0.113.9", "192.0.2.1"),
    *((1, seen, "203.0.113.9") for seen in ("203.0.113.9", "198.51.100.1, 203.0.113.9", "::ffff:203.0.113.9")),
    *((2, "198.51.100.1,  203.0.113.9 ,10.0.0.1", "203.0.113.9"), (3, "203.0.113.9, 10.0.0.1", "192.0.2.1")),
    *(
        (1, forwarded, "192.0.2.1")
        for forwarded in ("", "203.0.113.9, unknown", "[203.0.113.9", "1" * 5000, ":" * 5000)
    ),
    *(
        (1, seen, "203.0.113.9")
        for seen in ("203.0.113.9:4711", "198.51.100.1:1, 203.0.113.9:2", "[::ffff:203.0.113.9]:1")
    ),
    *(
        (1, seen, "2001:db8:1:2::/64")
        for seen in ("2001:db8:1:2:3:4:5:6", "[2001:db8:1:2:3:4:5:6]:443", "[2001:db8:1:2::6]")
    ),
]


@pytest.mark.parametrize(("proxies", "forwarded", "address"), PROXIES)
def test_the_address_is_the_one_that_the_outermost_trusted_proxy_saw(proxies: int, forwarded: str, address: str):
    with limits(TRUSTED_PROXIES=proxies):
        found = throttling.client_address({"REMOTE_ADDR": "192.0.2.1", "HTTP_X_FORWARDED_FOR": forwarded})

    assert found == address


@pytest.mark.parametrize("meta", [{}, {"REMOTE_ADDR": ""}, {"REMOTE_ADDR": "unix:"}])
def test_without_an_address_all_clients_are_counted_together(meta: dict[str, str]):
    assert throttling.client_address(meta) == ""


class BrokenCache(LocMemCache):
    """A cache whose server is away."""

    def add(self, *_: Any, **__: Any) -> bool:
        raise ConnectionError("redis://user:password@cache.example is away")


BROKEN = {"default": {"BACKEND": f"{__name__}.BrokenCache"}}
NOWHERE = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1"}}


@pytest.mark.parametrize("broken", [BROKEN, NOWHERE])
def test_while_the_cache_fails_no_request_is_refused_and_the_log_has_a_line_a_minute(
    api: Api, broken: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    now = time.monotonic()
    with override_settings(CACHES=broken), limits(REQUESTS_PER_MINUTE=1, FAILED_KEYS_PER_MINUTE=1):
        answers = [api.get("/jobs"), api.get("/jobs"), fail(), fail()]
        monkeypatch.setattr(throttling.time, "monotonic", lambda: now + 61)
        api.get("/jobs")

    assert statuses(*answers) == [200, 200, 401, 401]
    assert not [answer for answer in answers if "RateLimit" in answer]
    warnings = [record for record in caplog.records if record.name == "jobs.api.throttling"]
    assert [record.levelno for record in warnings] == [logging.WARNING] * 2
    assert not [record for record in warnings if "password" in record.getMessage()]


def test_while_the_cache_fails_one_request_in_five_seconds_waits_for_it(monkeypatch: pytest.MonkeyPatch):
    now, asked, is_broken = 1000.0, [], True
    monkeypatch.setattr(throttling.time, "monotonic", lambda: now)

    def ask(_: Any) -> int:
        asked.append(now)
        if throttling._ask_cache(ask_inside):  # a request that comes meanwhile
            asked.append(-1)
        if is_broken:
            raise ConnectionError
        return 7

    def ask_inside(_: Any) -> int:
        return 0

    answers = []
    for now in (1000.0, 1004.9, 1005.1, 1009.9, 1010.2, 1010.3):
        is_broken = now < 1010
        answers.append(throttling._ask_cache(ask))

    assert answers == [None, None, None, None, 7, 7]
    assert asked == [1000.0, 1005.1, 1010.2, 1010.3]


def test_after_a_cache_that_hung_for_long_no_request_waits_for_it_either(monkeypatch: pytest.MonkeyPatch):
    now, asked = 1000.0, []
    monkeypatch.setattr(throttling.time, "monotonic", lambda: now)

    def hang(_: Any) -> int:
        nonlocal now
        asked.append(now)
        now += 10
        raise TimeoutError

    for begun in (1000.0, 1010.1, 1014.9, 1015.1):
        now = begun
        throttling._ask_cache(hang)

    assert asked == [1000.0, 1015.1]
