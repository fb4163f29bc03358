"""``Idempotency-Key``: a repeated request creates nothing and gets the first answer."""

import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from jobs.models import ApiKey, Job, JobEvent
from jobs.services.commands.prune import delete_jobs, redact_jobs
from jobs.services.tenants.api_keys import rotate_api_key
from tests.support.api_client import Api, assert_error
from tests.support.factories import make_key, make_project
from tests.support.hostapp import plain_actions

VALID = {"action": "touch_publicly", "referenceId": "shekar@example.com"}
UNIQUE = {"action": "touch_publicly_once", "referenceId": "shekar@example.com"}
PLAIN = "!#$%&'()*+-./09:;<=>?@AZ[]^_`az{|}~"
KEY = "8e03978e-40d5-43e8-bc93-6894a57f9324"


def post(api: Api, body: Any = VALID, *, key: str = KEY, path: str = "/jobs") -> Any:
    return api.post(path, body, headers={"Idempotency-Key": key})


def assert_replays(response: Any, first: Any) -> None:
    assert response.status_code == first.status_code == 201
    assert response["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first
    assert response["Location"] == first["Location"]
    assert response.json() == first.json()


@pytest.mark.parametrize("body", [VALID, UNIQUE], ids=["any", "unique"])
def test_the_same_request_is_answered_with_the_same_job(api: Api, body: Any):
    first = post(api, body)

    assert_replays(post(api, body), first)
    assert (Job.objects.count(), JobEvent.objects.count()) == (1, 1)


def test_the_job_is_answered_as_it_now_stands_also_a_unique_one_that_has_ended(api: Api):
    first = post(api, UNIQUE).json()["data"]
    api.delete(f"/jobs/{first['jobId']}")

    again = post(api, UNIQUE)

    assert again["Idempotent-Replayed"] == "true"
    assert Job.objects.count() == 1
    assert again.json()["data"] == api.get(f"/jobs/{first['jobId']}").json()["data"]
    assert again.json()["data"]["status"] == "cancelled"


def test_without_a_key_or_under_another_key_the_same_request_creates_another_job(api: Api):
    without_key = [api.post("/jobs", VALID) for _ in range(2)]
    with_keys = [post(api, key="a"), post(api, key="b")]

    assert [answer.status_code for answer in (*without_key, *with_keys)] == [201] * 4
    stored = list(Job.objects.order_by("pk").values_list("call_digest", "call_body", "call_index"))
    assert stored[:2] == [(None, None, None)] * 2
    assert len({body for _, body, _ in stored[2:]}) == 2


OTHER_BODIES = [{**VALID, "referenceId": "mehdi@example.com"}, {**VALID, "description": "x"}, {"jobs": [VALID]}]


@pytest.mark.parametrize(("other", "path"), [*((body, "/jobs") for body in OTHER_BODIES), (VALID, "/jobs/batch")])
def test_a_key_that_came_with_another_body_or_to_another_endpoint_is_refused(api: Api, other: Any, path: str):
    first = post(api)

    response = post(api, other, path=path)

    assert_error(response, 422, "idempotency_key_reused")
    assert_replays(post(api), first)


def test_the_order_of_members_and_blanks_play_no_part(api: Api):
    first = post(api)

    spelt = b'{"referenceId":"shekar@example.com" , "action":"touch_publicly"}'

    assert_replays(post(api, spelt), first)


def test_a_body_stored_as_it_was_sent_by_an_earlier_version_is_known_again(api: Api):
    first = post(api)
    sent = b"job\n" + json.dumps(VALID).encode()
    Job.objects.update(call_body=hmac.digest(KEY.encode(), sent, "sha256").hex())

    assert_replays(post(api), first)


def test_a_key_that_replaces_another_is_the_same_caller(api: Api):
    first = post(api)
    once = rotate_api_key(ApiKey.objects.get().prefix, overlap=timedelta(hours=1))
    twice = rotate_api_key(once.key.prefix, overlap=timedelta(hours=1))

    again = [post(Api(project=api.project, secret=secret)) for secret in (once.secret, twice.secret)]

    for answer in again:
        assert_replays(answer, first)


def test_keys_of_other_callers_and_projects_are_other_keys(api: Api):
    sibling = make_project(organization=api.project.organization)
    secret = make_key(organization=api.project.organization).secret
    stranger = make_project()
    foreign = make_key(organization=stranger.organization).secret
    callers = [(api.project, api.secret), (sibling, api.secret), (api.project, secret), (stranger, foreign)]

    answers = [
        post(Api(project=project, secret=secret), {**VALID, "referenceId": f"user-{index}"})
        for index, (project, secret) in enumerate(callers)
    ]

    assert [answer.status_code for answer in answers] == [201] * 4
    assert not any("Idempotent-Replayed" in answer for answer in answers)
    assert Job.objects.count() == 4


def test_a_refused_request_leaves_its_key_free(api: Api):
    api.post("/jobs", UNIQUE)

    refused = [post(api, {}), post(api, b"{"), post(api, {**VALID, "startAt": "x"}), post(api, UNIQUE)]
    created = post(api)

    assert [answer.status_code for answer in refused] == [400, 400, 400, 409]
    assert created.status_code == 201
    assert "Idempotent-Replayed" not in created


def test_a_replay_does_not_depend_on_what_is_accepted_today(api: Api, monkeypatch: pytest.MonkeyPatch):
    first = post(api)
    monkeypatch.delitem(plain_actions.action.__globals__["_registry"], "touch_publicly")

    assert_replays(post(api), first)


@pytest.mark.parametrize(
    ("sent", "same"),
    [
        *(("a", '"a"'), ("a", ' "a" '), (PLAIN, f'"{PLAIN}"'), ('"a,b"', ' "a,b"')),
        *((r'"\"\\"', r'"\"\\"'), ("x" * 255, f'"{"x" * 255}"')),
    ],
)
def test_a_key_is_the_same_in_quotes_and_without(api: Api, sent: str, same: str):
    first = post(api, key=sent)

    assert_replays(post(api, key=same), first)


@pytest.mark.parametrize(
    "sent",
    [
        *("", '""', " ", "a b", '"a b"', '"a', 'a"', 'a"b', "a\\b", r'"\a"', '"a" "b"', '"a","b"', "a,b", "a, b"),
        *('"a";x=1', "é", "\x7f", "a\tb", "x" * 256, f'"{"x" * 256}"', "\xff", "x" * 100_000, "'a b'", '"a"b'),
    ],
)
@pytest.mark.parametrize("path", ["/jobs", "/jobs/batch"])
def test_a_malformed_key_is_refused_by_name(api: Api, path: str, sent: str):
    response = post(api, key=sent, path=path)

    assert_error(response, 400, "invalid_field", details={"field": "Idempotency-Key"})
    assert response.json()["error"].startswith("Idempotency-Key: must be one string of 1 to 255 ")
    assert not Job.objects.exists()


def test_neither_key_nor_body_can_be_read_from_the_row_and_an_escape_stands_for_one_character(api: Api):
    raw = b'{"action": "touch_publicly", "referenceId": "shekar@example.com"}'
    post(api, raw, key=r'"\\"')

    stored = Job.objects.values("call_digest", "call_body").get()

    guesses = [hashlib.sha256(sent).hexdigest() for sent in (b"\\", raw, b"job\n" + raw)]
    assert not set(stored.values()) & set(guesses)
    assert [len(value) for value in stored.values()] == [64, 64]
    key_id = api.project.organization.api_keys.get().pk
    assert stored["call_digest"] == hashlib.sha256(f"{key_id}:\\".encode()).hexdigest()


@pytest.mark.parametrize("prune", [redact_jobs, delete_jobs])
def test_a_redacted_or_deleted_job_frees_its_key(api: Api, prune: Callable[[datetime], object]):
    first = post(api).json()["data"]
    Job.objects.update(status="completed", finished_at=timezone.now() - timedelta(days=2))

    prune(timezone.now() - timedelta(days=1))
    created = post(api, {**VALID, "referenceId": "x"})

    assert created.status_code == 201
    assert "Idempotent-Replayed" not in created
    assert created.json()["data"]["jobId"] != first["jobId"]


def test_the_key_is_checked_after_the_project_and_before_the_body_and_by_no_other_method(api: Api):
    broken = {"content_type": "text/plain", "headers": {"Idempotency-Key": "a b"}}
    foreign = Api(project=make_project(), secret=api.secret)

    assert foreign.post("/jobs", b"x", **broken).status_code == 404
    assert api.post("/jobs?ifExists=x", b"x", **broken).json()["details"]["field"] == "ifExists"
    assert api.post("/jobs", b"x", **broken).json()["details"]["field"] == "Idempotency-Key"
    assert api.post("/jobs", b"x", content_type="text/plain").status_code == 415
    assert [api.call(*call, **broken).status_code for call in (("GET", "/jobs"), ("DELETE", "/users/x"))] == [200, 400]
