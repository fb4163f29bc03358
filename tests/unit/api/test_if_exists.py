"""``ifExists=return``: an active job in the way is what the caller wanted."""

from typing import Any

import pytest
from django.utils import timezone

from jobs.models import Job
from tests.support.api_client import Api
from tests.support.factories import make_key

UNIQUE = {"action": "touch_publicly_once", "referenceId": "shekar@example.com"}


def test_the_existing_job_is_answered_with_200(api: Api):
    first = api.post("/jobs?ifExists=return", UNIQUE)

    second = api.post("/jobs?ifExists=return", UNIQUE)

    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json() == first.json()
    assert "Location" not in second
    assert Job.objects.count() == 1


def test_an_erasure_that_is_under_way_is_answered_with_200(api: Api):
    first = api.delete("/users/shekar")

    second = api.delete("/users/shekar?ifExists=return")

    assert second.status_code == 200
    assert second.json() == first.json()


def test_a_job_that_has_ended_does_not_exist_any_more(api: Api):
    first = api.post("/jobs", UNIQUE).json()["data"]
    api.delete(f"/jobs/{first['jobId']}")

    assert api.post("/jobs?ifExists=return", UNIQUE).status_code == 201


@pytest.mark.parametrize("query", ["", "=", "=Return", "=refuse", "=1", "=return%00", "=x&ifExists=return"])
@pytest.mark.parametrize("call", ["POST /jobs", "DELETE /users/shekar"])
def test_another_value_is_refused_by_name(api: Api, call: str, query: str):
    method, path = call.split()

    response = api.call(method, f"{path}?ifExists{query}", data=b"{}", content_type="application/json")

    assert response.status_code == 400
    assert response.json()["error"] == "ifExists: must be 'return', or be left out"
    assert response.json()["details"] == {"field": "ifExists"}
    assert not Job.objects.exists()


def test_of_a_repeated_one_the_first_counts(api: Api):
    assert api.post("/jobs?ifExists=return&ifExists=x", UNIQUE).status_code == 201


def with_key(api: Api) -> Any:
    return api.post("/jobs?ifExists=return", UNIQUE, headers={"Idempotency-Key": "a"})


def test_nothing_is_stored_for_a_job_that_was_there(api: Api):
    api.post("/jobs", UNIQUE)

    there = with_key(api)
    Job.objects.update(status="cancelled", finished_at=timezone.now())
    created = with_key(api)

    assert (there.status_code, created.status_code) == (200, 201)
    assert "Idempotent-Replayed" not in created
    assert Job.objects.exclude(call_digest=None).get().pk == created.json()["data"]["jobId"]


def test_one_s_own_earlier_request_is_replayed_not_found_to_exist(api: Api):
    first = with_key(api)

    again = with_key(api)

    assert (again.status_code, again["Idempotent-Replayed"]) == (201, "true")
    assert again.json() == first.json()


def test_the_job_of_another_s_request_is_returned(api: Api):
    first = with_key(api)
    api.secret = make_key(organization=api.project.organization).secret

    second = with_key(api)

    assert second.status_code == 200
    assert second.json() == first.json()
