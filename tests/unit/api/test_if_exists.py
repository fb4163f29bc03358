"""``ifExists=return``: an active job of a unique action is the answer, not an error."""

from typing import Any

import pytest
from django.utils import timezone

from jobs.models import Job
from tests.support.api_client import Api, assert_error
from tests.support.factories import make_key

UNIQUE = {"action": "touch_publicly_once", "referenceId": "shekar@example.com"}


def test_an_active_job_is_answered_with_200_or_without_it_with_a_409_and_an_ended_one_is_not_returned(api: Api):
    first = api.post("/jobs?ifExists=return", UNIQUE)

    second, third = api.post("/jobs?ifExists=return", UNIQUE), api.post("/jobs", UNIQUE)
    api.delete(f"/jobs/{first.json()['data']['jobId']}")
    fourth = api.post("/jobs?ifExists=return", UNIQUE)

    assert (first.status_code, second.status_code, fourth.status_code) == (201, 200, 201)
    assert second.json() == first.json()
    assert "Location" not in second
    assert_error(third, 409, "active_job_exists", details={"job": first.json()["data"]})
    assert Job.objects.count() == 2


def test_an_active_erasure_is_answered_with_200(api: Api):
    first = api.delete("/users/shekar")

    second = api.delete("/users/shekar?ifExists=return")

    assert second.status_code == 200
    assert second.json() == first.json()


@pytest.mark.parametrize("query", ["", "=", "=Return", "=refuse", "=1", "=return%00", "=return&ifExists=return"])
@pytest.mark.parametrize(("method", "path"), [("POST", "/jobs"), ("DELETE", "/users/shekar")])
def test_another_value_is_refused_by_name(api: Api, method: str, path: str, query: str):
    body = {"data": b"{}", "content_type": "application/json"} if method == "POST" else {}
    response = api.call(method, f"{path}?ifExists{query}", **body)

    error = "ifExists: must be 'return', once, or be left out"
    assert_error(response, 400, "invalid_field", error=error, details={"field": "ifExists"})
    assert not Job.objects.exists()


def with_key(api: Api) -> Any:
    return api.post("/jobs?ifExists=return", UNIQUE, headers={"Idempotency-Key": "a"})


def test_a_returned_job_leaves_the_idempotency_key_free(api: Api):
    api.post("/jobs", UNIQUE)

    there = with_key(api)
    Job.objects.update(status="cancelled", finished_at=timezone.now())
    created = with_key(api)

    assert (there.status_code, created.status_code) == (200, 201)
    assert "Idempotent-Replayed" not in created
    assert Job.objects.exclude(call_digest=None).get().pk == created.json()["data"]["jobId"]


def test_a_repeated_request_is_replayed_and_to_another_key_the_job_is_returned_as_existing(api: Api):
    first, again = with_key(api), with_key(api)
    api.secret = make_key(organization=api.project.organization).secret
    other = with_key(api)

    assert (again.status_code, again["Idempotent-Replayed"], other.status_code) == (201, "true", 200)
    assert first.json() == again.json() == other.json()
