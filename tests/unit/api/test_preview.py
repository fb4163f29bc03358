"""``POST /{projectKey}/jobs/preview`` tells what a job would do, and ``expect`` binds a job to what it told."""

from typing import Any

import pytest
from django.core.cache import caches

from jobs.models import Job
from jobs.services.reports import erase_preview
from jobs.testing import run_due_jobs
from jobsite.models import Session
from tests.support.api_client import Api
from tests.support.api_limits import limits, statuses
from tests.support.factories import make_key
from tests.support.sessions import record_sessions

pytestmark = pytest.mark.django_db

ANA = "ana@example.com"
ASKED: dict[str, Any] = {"action": "delete_user_data", "referenceId": ANA, "startAt": 0}


def test_a_preview_tells_what_the_job_then_does_and_creates_nothing(api: Api):
    record_sessions(api.project, ANA, 3)
    record_sessions(api.project, "ben@example.com", 1)

    answer = api.post("/jobs/preview", ASKED)
    jobs_then = Job.objects.count()
    api.post("/jobs", ASKED)
    (job,) = run_due_jobs()

    found = answer.json()["data"]
    receipt = api.get(f"/jobs/{job.pk}?include=receipt").json()["data"]["receipt"]
    assert (answer.status_code, jobs_then) == (200, 0)
    assert [(store["store"], store["what"], store["rows"]) for store in found["stores"]] == [
        (name, entry["what"], entry["done"]) for name, entry in receipt["stores"].items()
    ]
    assert found["stores"][1]["rows"] == 3
    assert found["plan"] == receipt["plan"]
    assert (found["foundNothing"], found["wouldFail"]) == (False, False)
    assert Session.objects.count() == 1


@pytest.mark.parametrize("is_changed", [False, True])
def test_the_receipt_says_whether_the_plan_has_changed_since_the_job_was_created(api: Api, is_changed: bool):
    api.post("/jobs", ASKED)
    waiting = Job.objects.get()
    if is_changed:
        Job.objects.update(receipt={"created_under": "0" * 32})

    (job,) = run_due_jobs()

    receipt = api.get(f"/jobs/{job.pk}?include=receipt").json()["data"]["receipt"]
    assert receipt["planChanged"] is is_changed
    assert (waiting.receipt["created_under"] == receipt["plan"]) is True


def test_a_preview_of_nobody_says_so(api: Api):
    assert api.post("/jobs/preview", ASKED).json()["data"]["foundNothing"] is True


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"action": "touch_publicly"}, "action"),
        ({"action": "no_such_action"}, "action"),
        ({"referenceId": ""}, "referenceId"),
        ({"referenceId": "a\0"}, "referenceId"),
        ({"startAt": 5}, "startAt"),
        ({"parameters": {"a": 1}}, "parameters"),
        ({"more": 1}, "more"),
        ({"expect": {"atLeast": 1}}, "expect"),
    ],
)
def test_a_preview_refuses_what_could_be_no_job(api: Api, changes: dict[str, Any], field: str):
    answer = api.post("/jobs/preview", {**ASKED, **changes})

    assert answer.status_code == 400
    assert answer.json()["details"]["field"] == field


def test_a_preview_needs_the_scope_of_a_create_and_counts_apart(api: Api):
    reader = make_key(organization=api.project.organization, scopes=["read"]).secret
    caches["default"].clear()

    with limits(REQUESTS_PER_MINUTE=2):
        quotas = [api.post("/jobs/preview", ASKED)["RateLimit"].partition(";t")[0] for _ in range(2)]
        answers = [api.post("/jobs/preview", ASKED), api.get("/jobs")]
        api.secret = reader
        refused = api.post("/jobs/preview", ASKED)

    caches["default"].clear()
    assert quotas == ['"preview";r=1', '"preview";r=0']
    assert statuses(*answers) == [429, 200]
    assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")


def test_a_job_is_created_if_what_it_expects_holds(api: Api):
    record_sessions(api.project, ANA, 2)
    plan = api.post("/jobs/preview", ASKED).json()["data"]["plan"]

    answer = api.post("/jobs", {**ASKED, "expect": {"plan": plan, "atLeast": 2.0}})  # an integer, to JSON Schema

    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("expect", "code"),
    [({"plan": "0" * 32}, "plan_changed"), ({"atLeast": 3}, "nothing_found")],
)
def test_no_job_is_created_if_what_it_expects_does_not_hold(api: Api, expect: dict[str, Any], code: str):
    record_sessions(api.project, ANA, 2)

    answer = api.post("/jobs", {**ASKED, "expect": expect})

    assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert Job.objects.count() == 0


@pytest.mark.parametrize(
    "expect",
    [1, {}, {"plan": "0"}, {"plan": None}, {"atLeast": 0}, {"atLeast": True}, {"atLeast": 2**31}, {"least": 1}],
)
def test_an_expectation_that_is_malformed_is_refused(api: Api, expect: Any):
    answer = api.post("/jobs", {**ASKED, "expect": expect})

    assert (answer.status_code, answer.json()["details"]["field"]) == (400, "expect")


def test_jobs_without_a_map_and_jobs_of_a_batch_expect_nothing(api: Api):
    single = api.post("/jobs", {**ASKED, "action": "touch_publicly", "expect": {"atLeast": 1}})
    batch = api.post("/jobs/batch", {"jobs": [{**ASKED, "expect": {"atLeast": 1}}]})

    assert [answer.status_code for answer in (single, batch)] == [400, 400]
    assert batch.json()["details"]["field"] == "jobs[0].expect"
    assert Job.objects.count() == 0


def test_a_repeated_request_is_answered_as_before_whatever_it_expected(api: Api):
    record_sessions(api.project, ANA, 1)
    sent = {**ASKED, "expect": {"atLeast": 1}}

    first = api.post("/jobs", sent, headers={"Idempotency-Key": "k"})
    run_due_jobs()
    again = api.post("/jobs", sent, headers={"Idempotency-Key": "k"})

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json()["data"]["jobId"] == first.json()["data"]["jobId"]


def test_a_count_that_runs_out_of_time_is_at_least_and_no_answer_to_what_is_expected(
    api: Api, monkeypatch: pytest.MonkeyPatch
):
    record_sessions(api.project, ANA, 2)
    monkeypatch.setattr(erase_preview, "_count", lambda rows, *, ends_at: (1, True))

    told = api.post("/jobs/preview", ASKED).json()["data"]
    enough = api.post("/jobs", {**ASKED, "expect": {"atLeast": 1}})
    Job.objects.all().delete()
    unknown = api.post("/jobs", {**ASKED, "expect": {"atLeast": 2}})

    assert all(store["atLeast"] for store in told["stores"])
    assert (enough.status_code, unknown.status_code) == (201, 503)
    assert unknown.json()["code"] == "too_slow"
    assert Job.objects.count() == 0
