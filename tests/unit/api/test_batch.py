"""``POST …/jobs/batch``: many jobs at once, all or none."""

import json
from typing import Any

import pytest

from jobs.api.parsing import MAX_BATCH_BYTES
from jobs.models import Job, JobEvent
from jobs.status import Status
from tests.support.api_client import Api, assert_error, ids_of, without_errors
from tests.support.factories import make_job, make_project

MIDNIGHT_2100 = 4_102_444_800_000


def member(reference_id: str, **further: Any) -> dict[str, Any]:
    return {"action": "touch_publicly", "referenceId": reference_id, **further}


def once(reference_id: str) -> dict[str, Any]:
    return member(reference_id, action="touch_publicly_once")


def send(api: Api, *members: Any, **further: Any) -> Any:
    return api.post("/jobs/batch", {"jobs": list(members)}, **further)


def refused(api: Api, body: Any) -> tuple[int, str, Any]:
    """Send a batch that must be refused; return status, code and details."""
    before = list(Job.objects.values())
    response = api.post("/jobs/batch", body)
    assert list(Job.objects.values()) == before
    shown = response.json()
    return response.status_code, shown["code"], without_errors(shown.get("details", {}))


def test_the_jobs_are_created_and_answered_in_the_order_sent_each_with_an_event_of_the_caller(api: Api):
    wanted = [once("b"), member("x"), once("a"), member("w", startAt=MIDNIGHT_2100, description="Later"), member("x")]

    response = send(api, *wanted, headers={"X-Request-Id": "r-1"})

    data = response.json()["data"]
    assert response.status_code == 201
    assert [{**job, **one} for job, one in zip(data, wanted, strict=True)] == data
    assert "Location" not in response
    assert sorted(data, key=lambda job: -job["jobId"]) == api.get("/jobs").json()["data"]
    events = JobEvent.objects.values_list("job_id", "what", "to_status", "actor", "request_id")
    actor = f"key:{api.project.organization.api_keys.get().prefix}"
    assert sorted(events) == sorted((job["jobId"], "scheduled", "scheduled", actor, "r-1") for job in data)


@pytest.mark.parametrize("size", [1, 1000])
def test_one_to_a_thousand_are_taken(api: Api, size: int):
    response = send(api, *(member(f"user-{number}") for number in range(size)))

    shown = [(job["jobId"], job["referenceId"]) for job in response.json()["data"]]
    assert response.status_code == 201
    assert [reference_id for _, reference_id in shown] == [f"user-{number}" for number in range(size)]
    assert dict(shown) == dict(Job.objects.values_list("pk", "reference_id"))
    assert JobEvent.objects.values("job").distinct().count() == JobEvent.objects.count() == size


@pytest.mark.parametrize(
    ("body", "field"),
    [
        *(({"jobs": jobs}, "jobs") for jobs in ([], [member("x")] * 1001, {}, None, "x", 5)),
        ({}, "jobs"),
        ({"jobs": [member("x")], "atomic": False}, "atomic"),
        *((body, "body") for body in ([member("x")], b"{")),
        *((body, "body") for body in (b'{"jobs": [], "jobs": []}', b'{"jobs": ' + b"[" * 33 + b"]" * 33 + b"}")),
    ],
)
def test_another_number_or_a_body_of_another_form_is_refused(api: Api, body: Any, field: str):
    assert refused(api, body) == (400, "invalid_field", {"field": field})


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        *(
            (bad, ".referenceId")
            for bad in ({"action": "touch_publicly"}, member(""), member("x" * 257), member("a\0"))
        ),
        *((member("x", startAt=start), ".startAt") for start in ("x", 253_370_764_800_001)),
        (member("x", description=""), ".description"),
        (member("x", parameters={"note": "x"}), ".parameters"),
        (
            member("x", action="touch_publicly_with", parameters={"note": "x", "ranges": [{}]}),
            ".parameters.ranges[0].least",
        ),
        *((bad, "") for bad in ([], None)),
        (member("x", status="running"), ".status"),
    ],
)
def test_a_bad_member_is_named_and_none_is_created(api: Api, bad: Any, field: str):
    good = [member("a"), member("b"), once("c")]

    assert refused(api, {"jobs": [*good, bad, bad]}) == (400, "invalid_field", {"field": f"jobs[3]{field}"})


@pytest.mark.parametrize("action", ["touch", "unknown"])
def test_an_internal_action_does_not_exist_here_either(api: Api, action: str):
    body = {"jobs": [member("a"), member("x", action=action)]}

    assert refused(api, body) == (400, "unknown_action", {"field": "jobs[1].action"})


def make_active(api: Api, reference_id: str, **further: Any) -> Job:
    unique = {"action": "touch_publicly_once", "reference_id": reference_id, "unique_key": reference_id}
    return make_job(**{"project": api.project, **unique, **further})


def test_every_conflict_is_named_also_those_within_the_batch(api: Api):
    active = make_active(api, "a")
    make_active(api, "ended", status=Status.COMPLETED)
    make_active(api, "b", project=make_project())

    body = {"jobs": [once("b"), once("a"), member("a"), once("b"), once("a"), once("ended"), member("a"), once("b")]}

    status, code, details = refused(api, body)
    assert (status, code) == (409, "batch_conflict")
    assert details["conflicts"] == [
        {"index": 1, "jobId": active.pk},
        {"index": 3, "sameAs": 0},
        {"index": 4, "jobId": active.pk},
        {"index": 7, "sameAs": 0},
    ]


def test_a_thousand_conflicts_are_named(api: Api):
    new_jobs = [once(f"user-{number}") for number in range(1000)]
    running = make_active(api, "user-0", status=Status.RUNNING)
    ids = [running.pk, *ids_of(send(api, *new_jobs[1:]))]

    conflicts = [{"index": index, "jobId": job_id} for index, job_id in enumerate(ids)]
    error = "1000 of the 1000 jobs are there already, or twice in this batch; none was created"
    assert_error(send(api, *new_jobs), 409, "batch_conflict", error=error, details={"conflicts": conflicts})


def test_a_repeated_request_is_answered_with_its_jobs_in_their_order(api: Api):
    new_jobs, headers = [once("b"), member("x"), once("a")], {"Idempotency-Key": "a"}

    first, again = (send(api, *new_jobs, headers=headers) for _ in range(2))

    assert (again.status_code, again["Idempotent-Replayed"]) == (201, "true")
    assert again.json() == first.json()
    assert Job.objects.count() == 3
    assert send(api, *new_jobs, member("y"), headers=headers).status_code == 422


def test_a_mebibyte_is_accepted_and_one_byte_more_is_not(api: Api):
    body = json.dumps({"jobs": [member("x")]}).encode()
    padding = b" " * (MAX_BATCH_BYTES - len(body))

    too_large = api.post("/jobs/batch", body + padding + b" ")

    assert_error(too_large, 413, "payload_too_large", error="the body must be at most 1048576 bytes")
    assert api.post("/jobs/batch", body + padding).status_code == 201


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS"])
def test_other_methods_than_post_are_refused(api: Api, method: str):
    response = api.call(method, "/jobs/batch")

    assert (response.status_code, response["Allow"]) == (405, "POST")


def test_checks_come_in_the_documented_order_and_similar_paths_are_ids_of_jobs(api: Api):
    foreign = Api(project=make_project(), secret=api.secret)
    nobody = Api(project=api.project, secret="wrong")

    assert nobody.get("/jobs/batch").status_code == 401
    assert foreign.get("/jobs/batch").status_code == 405
    assert foreign.post("/jobs/batch", b"x", content_type="text/plain").status_code == 404
    assert api.post("/jobs/batch", b"x" * 2_000_000, content_type="text/plain").status_code == 415
    assert [api.get(f"/jobs/{name}").status_code for name in ("Batch", "batch1", "batch%00")] == [400] * 3
    assert api.post("/jobs/batch/", {"jobs": [member("x")]}).status_code == 404
