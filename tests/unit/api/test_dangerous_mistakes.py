"""Mistakes that would erase at once or have no effect are refused, with the cure; see also the tests of each call."""

import json
from typing import Any

import pytest

from jobs.models import Job
from tests.support.api_client import Api, assert_error, counted_statements, ids_of
from tests.support.factories import make_job

VALID = {"action": "touch_publicly", "referenceId": "shekar@example.com"}
UNIQUE = {"action": "touch_publicly_once", "referenceId": "shekar@example.com"}
IN_A_WEEK = 1_796_662_800  # seconds
FUTURE = 4_102_444_800_000


def errors_of(response: Any) -> list[tuple[str, str]]:
    return [(error["field"], error["code"]) for error in response.json()["details"]["errors"]]


@pytest.mark.parametrize("start", [IN_A_WEEK, float(IN_A_WEEK), 1, 10**11])
def test_seconds_are_refused_with_the_value_in_milliseconds(api: Api, start: float):
    cure = f"seems to be in seconds; in milliseconds since 1970-01-01 UTC it is {int(start) * 1000}"
    batch = {"jobs": [VALID, {**VALID, "startAt": start}]}

    assert_error(api.post("/jobs", {**VALID, "startAt": start}), 400, "invalid_field", error=f"startAt: {cure}")
    assert_error(api.post("/jobs/batch", batch), 400, "invalid_field", error=f"jobs[1].startAt: {cure}")
    erase = api.delete(f"/users/shekar?startAt={int(start)}")
    assert_error(erase, 400, "invalid_field", error=f"startAt: {cure}")
    listed = api.get(f"/jobs?createdTo={int(start)}")
    assert_error(listed, 400, "invalid_field", error=f"createdTo: {cure}")
    assert not Job.objects.exists()


def test_a_user_is_erased_when_asked_and_the_answer_says_where_and_whether_it_is_new(api: Api):
    first = api.delete(f"/users/a%2Fb%20c?startAt={FUTURE}")
    second = api.delete("/users/a%2Fb%20c?ifExists=return")

    job = first.json()["data"]
    assert (job["startAt"], job["referenceId"]) == (FUTURE, "a/b c")
    assert (first["Job-Created"], second["Job-Created"]) == ("true", "false")
    assert first["Location"] == second["Location"] == f"/public/{api.project.key}/jobs/{job['jobId']}"
    assert second.json()["data"] == job
    assert api.client.get(first["Location"], headers={"Authorization": f"Bearer {api.secret}"}).json()["data"] == job


def test_an_erase_is_repeated_by_its_idempotency_key(api: Api):
    key = {"headers": {"Idempotency-Key": "a"}}
    first = api.delete("/users/shekar", **key)

    again = api.delete("/users/shekar", **key)
    other = [api.delete(path, **key) for path in (f"/users/shekar?startAt={FUTURE}", "/users/mehdi")]

    assert again.json() == first.json()
    assert (again.status_code, again["Idempotent-Replayed"], again["Job-Created"]) == (200, "true", "true")
    assert [(answer.status_code, answer.json()["code"]) for answer in other] == [(422, "idempotency_key_reused")] * 2
    assert Job.objects.count() == 1


@pytest.mark.parametrize(
    ("method", "path", "name", "said"),
    [
        ("DELETE", "/users/x?dryRun=true", "dryRun", "known are: ifExists, startAt"),
        ("DELETE", "/users/x?ifexists=return", "ifexists", "is ifExists meant?"),
        ("DELETE", "/users/x?start_at=5", "start_at", "is startAt meant?"),
        ("DELETE", "/users/x?reason=x", "reason", "known are: ifExists, startAt"),
        ("POST", "/jobs?dryRun=1", "dryRun", "known are: ifExists"),
        ("POST", "/jobs?If-Exists=return", "If-Exists", "is ifExists meant?"),
        ("POST", "/jobs/batch?ifExists=return", "ifExists", "none is"),
        ("GET", "/jobs?Status=failed", "Status", "is status meant?"),
        ("GET", "/jobs?status[]=failed", "status[]", "is status meant?"),
        ("GET", "/jobs?created_from=0", "created_from", "is createdFrom meant?"),
        ("GET", "/jobs?reference-id=x", "reference-id", "is referenceId meant?"),
        ("GET", "/jobs?LIMIT=5", "LIMIT", "is limit meant?"),
        ("GET", "/jobs/1?Include=events", "Include", "is include meant?"),
        ("DELETE", "/jobs/1?Reason=x", "Reason", "is reason meant?"),
    ],
)
def test_a_parameter_that_would_have_no_effect_is_refused(api: Api, method: str, path: str, name: str, said: str):
    body = {"data": json.dumps(VALID), "content_type": "application/json"} if method == "POST" else {}
    job = make_job(project=api.project)

    response = api.call(method, path.replace("/jobs/1", f"/jobs/{job.pk}"), **body)

    assert_error(response, 400, "invalid_field", details={"field": name})
    assert said in response.json()["error"]
    assert list(Job.objects.values_list("status", flat=True)) == ["scheduled"]


@pytest.mark.parametrize("parameter", ["token=x", "utm_source=x", "_=5", "statuses=failed", "=", "%FF=x", "x" * 5000])
def test_documented_calls_ignore_other_parameters(api: Api, parameter: str):
    job = make_job(project=api.project)

    assert ids_of(api.get(f"/jobs?{parameter}")) == [job.pk]
    assert api.get(f"/jobs/{job.pk}?{parameter}").status_code == 200
    assert api.delete(f"/jobs/{job.pk}?{parameter}").json()["data"]["status"] == "cancelled"


@pytest.mark.parametrize("body", [b'{"startAt": 4102444800000}', b"x", b"{}"])
def test_a_body_that_would_have_no_effect_is_refused(api: Api, body: bytes):
    response = api.call("DELETE", "/users/x", data=body, content_type="application/json")

    assert_error(response, 400, "invalid_field", details={"field": "body"})
    assert not Job.objects.exists()


def test_a_start_that_is_given_twice_is_refused(api: Api):
    response = api.delete(f"/users/x?startAt={FUTURE}&startAt=0")

    assert_error(response, 400, "invalid_field", error="startAt: must be given once")


def test_all_errors_of_a_body_are_told_at_once(api: Api):
    body = {"action": "erase", "startAt": "x", "description": "", "start_at": 5, "prio": 1}

    response = api.post("/jobs", body)

    assert errors_of(response) == [
        ("start_at", "invalid_field"),
        ("prio", "invalid_field"),
        ("action", "unknown_action"),
        ("referenceId", "invalid_field"),
        ("startAt", "invalid_field"),
        ("description", "invalid_field"),
    ]
    known = "known are: action, referenceId, startAt, description, parameters, expect"
    assert response.json()["error"] == f"start_at: is not known here; is startAt meant?; {known}"
    assert response.json()["details"]["errors"][3]["error"] == "is required"


def test_all_errors_of_parameters_are_told(api: Api):
    parameters = {"ranges": [{"least": 1}, {}, {"least": "x"}], "noet": "x"}

    response = api.post("/jobs", {**VALID, "action": "touch_publicly_with", "parameters": parameters})

    places = ["noet", "note", "ranges[1].least", "ranges[2].least"]
    assert errors_of(response) == [(f"parameters.{place}", "invalid_field") for place in places]
    assert "is note meant?" in response.json()["error"]


def test_errors_of_all_jobs_in_a_batch_are_told_but_no_more_than_twenty(api: Api):
    mixed = {"jobs": [VALID, {**VALID, "referenceId": ""}, {**VALID, "description": "\0"}]}
    typed = {"jobs": [VALID, {**VALID, "referenceId": 5}, [], {**VALID, "startAt": 5, "x": 1, "description": ""}]}
    many = {"jobs": [{str(number): 1 for number in range(1000)}, *({} for _ in range(900))]}

    assert [field for field, _ in errors_of(api.post("/jobs/batch", mixed))] == [
        "jobs[1].referenceId", "jobs[2].description",
    ]  # fmt: skip
    assert [field for field, _ in errors_of(api.post("/jobs/batch", typed))] == [
        "jobs[1].referenceId", "jobs[2]", "jobs[3].x", "jobs[3].startAt", "jobs[3].description",
    ]  # fmt: skip
    assert len(errors_of(api.post("/jobs/batch", many))) == 20
    assert not Job.objects.exists()


def test_all_errors_of_filters_are_told(api: Api):
    response = api.get("/jobs?status=x&createdFrom=y&referenceId=%00")

    assert {field for field, _ in errors_of(response)} == {"status", "createdFrom", "referenceId"}


def test_a_conflict_is_found_before_an_insert_whose_failure_the_server_would_log(api: Api):
    api.post("/jobs", UNIQUE)
    batch = {"jobs": [UNIQUE, {**UNIQUE, "referenceId": "mehdi@example.com"}]}

    sent = counted_statements(lambda: (api.post("/jobs", UNIQUE), api.post("/jobs/batch", batch)))

    assert not [sql for sql in sent if "INSERT" in sql.upper()]
    assert Job.objects.count() == 1
