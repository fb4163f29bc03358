"""The site answers 503 within 10 s while its connections to the database are open and silent, and then serves again."""

import time
from collections.abc import Iterator

import pytest

from tests.support.concurrency import postgresql_only, until
from tests.support.factories import make_key, make_project
from tests.support.freezing_proxy import FreezingProxy, freezing_proxy
from tests.support.http_server import Answer, database_url, request, running_server

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(180), postgresql_only]


@pytest.fixture
def proxy() -> Iterator[FreezingProxy]:
    with freezing_proxy(database_url()) as proxy:
        yield proxy


def test_a_frozen_database_is_answered_by_503_within_ten_seconds(proxy: FreezingProxy):
    project = make_project()
    key = make_key(organization=project.organization).secret
    with running_server(url=proxy.url) as port:

        def ask(path: str, *headers: str) -> tuple[Answer, float]:
            begun = time.monotonic()
            answer = request(port, path, *headers)
            return answer, time.monotonic() - begun

        def ask_api() -> tuple[Answer, float]:
            return ask(f"/public/{project.key}/jobs", f"Authorization: Bearer {key}")

        assert ask_api()[0].status == 200
        proxy.freeze()

        listed, ready = ask_api(), ask("/readyz")
        proxy.drop_frozen()
        until(lambda: ask("/readyz")[0].status == 200, what="the site to be ready")

        assert (listed[0].status, listed[0].headers["retry-after"]) == (503, "5")
        assert b'"code"' in listed[0].body
        assert ready[0].status == 503
        assert listed[1] < 10
        assert ready[1] < 10
        assert ask_api()[0].status == 200
