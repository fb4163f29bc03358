"""What counts apart: cancels, answers 304, new jobs by their number; and how many may wait."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from django.core.cache import caches

from jobs.api import throttling
from jobs.exceptions import TooSlow
from jobs.models import Job
from tests.support import api_costs
from tests.support.api_client import Api, assert_error
from tests.support.api_limits import limits, statuses
from tests.support.factories import make_job, make_key, make_project

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _one_window(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(throttling.time, "time", lambda: api_costs.NOON)
    caches["default"].clear()
    yield
    caches["default"].clear()


def batch(number: int, first: int = 0) -> dict[str, Any]:
    return {"jobs": [{"action": "touch_publicly", "referenceId": f"user-{first + at}"} for at in range(number)]}


def test_a_key_that_has_read_as_often_as_it_may_can_still_cancel(api: Api):
    jobs = [make_job(project=api.project) for _ in range(3)]

    with limits(REQUESTS_PER_MINUTE=2):
        reads = [api.get("/jobs") for _ in range(3)]
        cancels = [api.delete(f"/jobs/{job.pk}") for job in jobs]

    assert statuses(*reads, *cancels) == [200, 200, 429, 200, 200, 429]
    assert [answer["RateLimit"] for answer in cancels] == [f'"cancel";r={left};t=42' for left in (1, 0, 0)]
    assert {answer["RateLimit-Policy"] for answer in cancels} == {'"cancel";q=2;w=60'}


def test_polls_that_bring_nothing_new_are_free(api: Api):
    path = f"/jobs/{make_job(project=api.project).pk}"

    with limits(REQUESTS_PER_MINUTE=2):
        first = api.get(path)
        polls = [api.get(path, headers={"If-None-Match": first["ETag"]}) for _ in range(5)]
        last = api.get("/jobs")

    assert statuses(first, *polls, last) == [200, *[304] * 5, 200]
    assert {answer["RateLimit"] for answer in (first, *polls)} == {'"key";r=1;t=42'}


def test_a_batch_counts_its_jobs_and_one_that_is_refused_counts_none(api: Api):
    with limits(NEW_JOBS_PER_MINUTE=1000):
        first = api.post("/jobs/batch", batch(998))
        too_many = api.post("/jobs/batch", batch(3, 1000))
        single = api.post("/jobs", batch(1, 2000)["jobs"][0])
        user = api.delete("/users/somebody")
        beyond = [api.post("/jobs", batch(1, 3000)["jobs"][0]), api.delete("/users/another")]

    assert statuses(first, too_many, single, user, *beyond) == [201, 429, 201, 200, 429, 429]
    assert_error(too_many, 429, "too_many_requests", error="at most 1,000 new jobs within a minute; none was created")
    assert too_many["Retry-After"] == "42"
    assert [answer["RateLimit"] for answer in (first, too_many, single)] == [
        f'"jobs";r={left};t=42' for left in (2, 2, 1)
    ]
    assert Job.objects.count() == 1000


def test_a_request_that_creates_counts_as_a_request_too_and_a_repetition_as_no_job(api: Api):
    with limits(NEW_JOBS_PER_MINUTE=1000, REQUESTS_PER_MINUTE=3):
        answers = [api.post("/jobs/batch", batch(600), headers={"Idempotency-Key": "a"}) for _ in range(4)]

    assert statuses(*answers) == [201, 201, 201, 429]
    assert answers[0]["RateLimit"] == '"key";r=2;t=42, "jobs";r=400;t=42'
    assert answers[0]["RateLimit-Policy"] == '"key";q=3;w=60, "jobs";q=1000;w=60'
    assert answers[1]["RateLimit"] == '"key";r=1;t=42'
    assert Job.objects.count() == 600


def test_where_the_database_is_too_slow_to_count_jobs_are_created_and_it_is_not_asked_again(
    api: Api, monkeypatch: pytest.MonkeyPatch
):
    counts = Mock(side_effect=TooSlow)
    monkeypatch.setattr(throttling, "has_waiting", counts)

    with limits(MOST_WAITING=2):
        answers = [api.post("/jobs", one) for one in batch(2)["jobs"]]

    assert statuses(*answers) == [201, 201]
    assert counts.call_count == 1


def test_an_organization_with_as_many_waiting_jobs_as_it_may_gets_no_more_until_some_have_run(api: Api):
    other = make_project(organization=api.project.organization)
    waiting = [make_job(project=project) for project in (api.project, other)]
    stranger = Api(project=make_project(), secret="")
    stranger.secret = make_key(organization=stranger.project.organization).secret
    body = batch(1)["jobs"][0]

    with limits(MOST_WAITING=2):
        refused = [api.post("/jobs", body), api.post("/jobs/batch", batch(2)), api.delete("/users/somebody")]
        apart = stranger.post("/jobs", body)
        api.delete(f"/jobs/{waiting[0].pk}")
        remembered = api.post("/jobs", body)
        caches["default"].clear()
        again = api.post("/jobs", body)

    assert statuses(*refused, apart, remembered, again) == [429, 429, 429, 201, 429, 201]
    for answer in refused:
        assert_error(answer, 429, "too_many_waiting")
        assert answer["Retry-After"] == "60"
