"""The examples of the public documentation, form for form: members, their order, types and values."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from jobs import get_project_model
from jobs.models import Job
from jobs.status import Status
from tests.support.api_client import Api
from tests.support.factories import make_job, make_key, make_project

SHEKAR: Final = """{
"jobId": 3451,
"description": "Delete user sessions of userId = shekar@example.com",
"status": "scheduled",
"projectId": 1,
"action": "delete_user_data",
"referenceId": "shekar@example.com",
"createdAt": 1623912955277,
"updatedAt": null,
"startAt": 1623954600000,
"errors": null
}"""
MEHDI: Final = """{
"jobId": 3452,
"description": "Delete user sessions of userId = mehdi@example.com",
"status": "cancelled",
"projectId": 1,
"action": "delete_user_data",
"referenceId": "mehdi@example.com",
"createdAt": 1623912962910,
"updatedAt": 1623913015276,
"startAt": 1623954600000,
"errors": null
}"""
MEMBERS: Final = {
    "jobId": int,
    "description": str,
    "status": str,
    "projectId": int,
    "action": str,
    "referenceId": str,
    "createdAt": int,
    "updatedAt": int | None,
    "startAt": int,
    "errors": str | None,
}


def instant(milliseconds: int | None) -> datetime | None:
    if milliseconds is None:
        return None
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds, microseconds=999)


def store(example: str, project: Any) -> Job:
    """Insert the job of an example; instants lie within their millisecond, as a database keeps them."""
    told = json.loads(example)
    return make_job(
        id=told["jobId"],
        project=project,
        status=Status(told["status"]),
        description=told["description"],
        action=told["action"],
        reference_id=told["referenceId"],
        created_at=instant(told["createdAt"]),
        updated_at=instant(told["updatedAt"]),
        start_at=instant(told["startAt"]),
    )


@pytest.fixture
def api(db: None) -> Api:
    """The documentation's project, which has the number 1."""
    number = "public_id" if hasattr(get_project_model(), "public_id") else "pk"
    project = make_project(**{number: 1})
    return Api(project=project, secret=make_key(organization=project.organization).secret)


def as_sent(*examples: str) -> str:
    """Return the examples as compact JSON, in which the order of members shows."""
    return ",".join(json.dumps(json.loads(example), separators=(",", ":")) for example in examples)


def test_list(api: Api):
    store(SHEKAR, api.project)
    store(MEHDI, api.project)

    response = api.get("/jobs?limit=50&page=1")

    assert response.status_code == 200
    assert response.content.decode() == f'{{"data":[{as_sent(MEHDI, SHEKAR)}]}}'


def test_details(api: Api):
    store(SHEKAR, api.project)

    response = api.get("/jobs/3451")

    assert response.status_code == 200
    assert response.content.decode() == f'{{"data":{as_sent(SHEKAR)}}}'


def test_cancel(api: Api):
    scheduled = {**json.loads(MEHDI), "status": "scheduled", "updatedAt": None}
    store(json.dumps(scheduled), api.project)

    response = api.delete("/jobs/3452")

    answered = response.json()["data"]
    assert response.status_code == 200
    assert answered == {**json.loads(MEHDI), "updatedAt": answered["updatedAt"]}
    assert list(answered) == list(MEMBERS)
    assert type(answered["updatedAt"]) is int


@pytest.mark.parametrize("status", list(Status))
def test_members_and_types_are_the_same_in_every_status(api: Api, status: Status):
    job = make_job(project=api.project, status=status)

    answered = api.get(f"/jobs/{job.pk}").json()["data"]

    assert list(answered) == list(MEMBERS)
    assert all(isinstance(answered[name], kind) for name, kind in MEMBERS.items())
    assert not any(isinstance(value, bool) for value in answered.values())


def test_a_failed_job_tells_why(api: Api):
    job = make_job(project=api.project, status=Status.FAILED, errors="There are still rows in events.")

    assert api.get(f"/jobs/{job.pk}").json()["data"]["errors"] == "There are still rows in events."


def test_text_is_utf_8_and_not_escaped(api: Api):
    job = make_job(project=api.project, reference_id="żółć@例え.jp")

    response = api.get(f"/jobs/{job.pk}")

    assert '"referenceId":"żółć@例え.jp"'.encode() in response.content
    assert response["Content-Type"] == "application/json"
