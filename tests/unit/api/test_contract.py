"""The examples of the public documentation, byte for byte: members, their order, types and values."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from jobs import get_project_model
from jobs.models import Job
from jobs.status import Status
from tests.support.api_client import Api
from tests.support.factories import make_job, make_key, make_project
from tests.support.openapi.examples import CANCELLED, SCHEDULED

TYPES: Final = [int, str, str, int, str, str, int, int | None, int, str | None]


def instant(milliseconds: int | None) -> datetime | None:
    if milliseconds is None:
        return None
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds, microseconds=999)


def store(example: dict[str, Any], project: Any) -> Job:
    """Insert the job of an example; instants lie within their millisecond, as a database keeps them."""
    return make_job(
        id=example["jobId"],
        project=project,
        status=Status(example["status"]),
        description=example["description"],
        action=example["action"],
        reference_id=example["referenceId"],
        created_at=instant(example["createdAt"]),
        updated_at=instant(example["updatedAt"]),
        start_at=instant(example["startAt"]),
    )


@pytest.fixture
def api(db: None) -> Api:
    """The documentation's project, which has the number 1."""
    number = "public_id" if hasattr(get_project_model(), "public_id") else "pk"
    project = make_project(**{number: 1})
    return Api(project=project, secret=make_key(organization=project.organization).secret)


def as_sent(data: Any) -> str:
    """Return the answer as compact JSON, in which the order of members shows."""
    return json.dumps({"data": data}, separators=(",", ":"))


def test_the_list_and_the_details_of_a_job_are_those_of_the_documentation(api: Api):
    store(SCHEDULED, api.project)
    store(CANCELLED, api.project)

    listed, shown = api.get("/jobs?limit=50&page=1"), api.get("/jobs/3451")

    assert (listed.status_code, listed.content.decode()) == (200, as_sent([CANCELLED, SCHEDULED]))
    assert (shown.status_code, shown.content.decode()) == (200, as_sent(SCHEDULED))


def test_the_answer_to_a_cancel_is_that_of_the_documentation(api: Api):
    store({**CANCELLED, "status": "scheduled", "updatedAt": None}, api.project)

    response = api.delete("/jobs/3452")

    answered = response.json()["data"]
    assert response.status_code == 200
    assert type(answered["updatedAt"]) is int
    assert response.content.decode() == as_sent({**CANCELLED, "updatedAt": answered["updatedAt"]})


@pytest.mark.parametrize("status", list(Status))
def test_members_and_types_are_the_same_in_every_status(api: Api, status: Status):
    job = make_job(project=api.project, status=status)

    answered = api.get(f"/jobs/{job.pk}").json()["data"]

    assert list(answered) == list(SCHEDULED)
    assert all(isinstance(value, kind) for value, kind in zip(answered.values(), TYPES, strict=True))
    assert not any(isinstance(value, bool) for value in answered.values())


def test_a_failed_job_shows_its_error_and_text_is_utf_8_and_not_escaped(api: Api):
    job = make_job(
        project=api.project, status=Status.FAILED, errors="There are still rows.", reference_id="żółć@例え.jp"
    )

    response = api.get(f"/jobs/{job.pk}")

    assert response.json()["data"]["errors"] == "There are still rows."
    assert '"referenceId":"żółć@例え.jp"'.encode() in response.content
    assert response["Content-Type"] == "application/json"
