import time

import pytest

from jobs.actions import all_actions
from jobs.models import Job
from tests.support.api_client import Api

VALID = {"action": "touch_publicly", "referenceId": "shekar@example.com"}
IN_2100 = 4_102_444_800_000


def refused(api: Api, body: object, **further) -> tuple[int, str, str]:
    """Send a body that must be refused; return status, code and sentence."""
    response = api.post("/jobs", body, **further)
    body = response.json()
    assert list(body)[:3] == ["error", "code", "requestId"]
    if body["code"] in ("invalid_field", "unknown_action"):
        assert body["error"].startswith(f"{body['details']['field']}: ")
    assert not Job.objects.exists()
    return response.status_code, body["code"], body["error"]


def test_a_job_is_created_and_located(api: Api):
    response = api.post("/jobs", VALID)

    data = response.json()["data"]
    assert response.status_code == 201
    assert response["Location"] == f"/public/{api.project.key}/jobs/{data['jobId']}"
    assert (data["status"], data["updatedAt"]) == ("scheduled", None)
    assert api.get(f"/jobs/{data['jobId']}").json()["data"] == data


def test_the_actions_own_description_and_start_are_the_defaults(api: Api):
    data = api.post("/jobs", {**VALID, "action": "touch_publicly_once"}).json()["data"]

    assert data["description"] == "Touch shekar@example.com once"
    assert data["startAt"] == data["createdAt"] + 3_600_000


def test_all_members_are_accepted(api: Api):
    wanted = {
        "action": "touch_publicly_with",
        "referenceId": "shekar@example.com",
        "startAt": IN_2100,
        "description": "As asked by phone",
        "parameters": {"note": " kept "},
    }

    data = api.post("/jobs", wanted).json()["data"]

    assert (data["startAt"], data["description"]) == (IN_2100, "As asked by phone")
    assert Job.objects.get(pk=data["jobId"]).parameters == {"note": " kept "}


@pytest.mark.parametrize("start_at", [0, 0.0, 10**11 + 1, 1_600_000_000_000, 1.6e12])
def test_a_past_start_means_now(api: Api, start_at: int):
    data = api.post("/jobs", {**VALID, "startAt": start_at}).json()["data"]

    assert data["startAt"] == data["createdAt"] > (time.time() - 60) * 1000


@pytest.mark.parametrize("action", ["touch", "unknown", "", " touch_publicly", "TOUCH_PUBLICLY", "\ud800", "x" * 5000])
def test_an_action_that_is_internal_or_unknown_is_refused(api: Api, action: str):
    assert refused(api, {**VALID, "action": action}) == (
        400, "unknown_action", f"action: is not an action known here; known are: {', '.join(PUBLIC)}",
    )  # fmt: skip


@pytest.mark.parametrize("missing", ["action", "referenceId"])
def test_a_missing_member_is_named(api: Api, missing: str):
    body = {name: value for name, value in VALID.items() if name != missing}

    assert refused(api, body) == (400, "invalid_field", f"{missing}: is required")


IMPOSSIBLE = {
    "referenceId": ["", " ", "\u3000", "\0", "a\0", "a\nb", "a\x7f", "a\x85", "\ud800", "x" * 257, "é" * 129],
    "startAt": [
        "1",
        1.0,
        1e3,
        1.5,
        1,
        10**11,
        -1,
        -(10**12),
        True,
        None,
        [],
        253_370_764_800_001,
        10**15,
        10**18,
        10**300,
        -(10**300),
        -(10**17),
    ],
    "description": ["", "a\nb", "\0", "x" * 1001],
}
PUBLIC = sorted(action.name for action in all_actions() if action.public)
UNKNOWN = ["status", "ReferenceId", "reference_id", "projectId", "", "\ud800", "é" * 400]
PARAMETERS = [
    *(
        ([], ""),
        ("x", ""),
        (None, ""),
        ({}, ".note"),
        ({"note": "x", "other": 1}, ".other"),
        ({"note": "a\0"}, ".note"),
    ),
    *(({"note": "x", "extra": ["\ud800"]}, ".extra[0]"), ({"note": "x", "\ud800": 1}, ".\ud800")),
    ({"note": "x", "ranges": [{"least": 1}, {}]}, ".ranges[1].least"),
]


@pytest.mark.parametrize(
    ("member", "problem"),
    [
        *(
            # No other type is converted to a string.
            ({field: value}, f"{field}: must ")
            for field in ("action", "referenceId", "description")
            for value in (5, 5.5, True, None, [], {})
        ),
        *(({field: value}, f"{field}: ") for field, values in IMPOSSIBLE.items() for value in values),
        *(({name: "x"}, name[:60] or '""') for name in UNKNOWN),
        *(({"action": "touch_publicly_with", "parameters": each}, f"parameters{end}: ") for each, end in PARAMETERS),
    ],
)
def test_an_impossible_value_or_an_unknown_member_is_refused_by_its_name(
    api: Api, member: dict[str, object], problem: str
):
    status, code, error = refused(api, {**VALID, **member})

    assert (status, code) == (400, "invalid_field")
    assert error.startswith(problem)
