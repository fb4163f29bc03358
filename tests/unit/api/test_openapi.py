"""The OpenAPI document: complete, valid, up to date, and served with the host's prefix and actions."""

import json
from functools import partial
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client, override_settings
from django.urls import get_resolver
from django.urls.resolvers import URLPattern
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from jobs import actions
from jobs.api.openapi import DOCUMENT
from jobs.api.urls import urlpatterns
from jobs.services.commands.schedule_batch import MOST_JOBS
from tests.support.api_client import Api, assert_error
from tests.support.openapi.check import faults_of
from tests.support.openapi.examples import CANCELLED, SCHEDULED
from tests.support.openapi.generate import NAMES, as_text
from tests.support.openapi.operations import OPERATIONS

pytestmark = pytest.mark.django_db


def kept() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(DOCUMENT.read_text())
    return document


def routes() -> set[tuple[str, str]]:
    """Return method and path of every endpoint in the URLconf."""
    found = set()
    for pattern in urlpatterns:
        assert isinstance(pattern, URLPattern)
        # REST framework adds HEAD to a view once it was called.
        for method in set(getattr(pattern.callback, "actions", {})) - {"head"}:
            path = f"/{get_resolver('jobs.api.urls').reverse_dict.getlist(pattern.name)[0][0][0][0]}"
            for name in ("project_key", "job_id", "user_id"):
                path = path.replace(f"%({name})s", NAMES[f"{{{name}}}"])
            found.add((method.upper(), path))
    return found


def test_the_committed_document_is_the_generated_one_and_valid():
    assert as_text() == DOCUMENT.read_text(), "the API has changed: run `make openapi` and read the difference"
    assert kept()["openapi"] == "3.1.0"
    assert not list(OpenAPIV31SpecValidator(kept()).iter_errors())


def test_every_route_is_described_and_nothing_else():
    described = {(method.upper(), path) for path, item in kept()["paths"].items() for method in item}

    assert described == routes() == set(OPERATIONS)


def test_the_examples_and_the_ten_members_of_a_job_are_those_of_the_contract():
    answers = kept()["paths"]["/{projectKey}/jobs"]["get"]["responses"]
    (example,) = answers["200"]["content"]["application/json"]["examples"].values()

    assert example["value"] == {"data": [SCHEDULED, CANCELLED]}
    assert list(kept()["components"]["schemas"]["Job"]["properties"]) == list(SCHEDULED)


def test_it_is_served_without_a_key_for_the_prefix_and_the_public_actions_of_the_host(client: Client):
    answer = client.get("/public/openapi.json")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["servers"] == [{"url": "/public"}]
    offered = answer.json()["components"]["schemas"]["NewJobRequest"]["properties"]["action"]["enum"]
    assert "touch_publicly" in offered
    assert "touch" not in offered


@override_settings(JOBS={"USER_ERASE_ACTION": "no_such_action"})
def test_without_an_erase_action_the_document_has_no_such_path(client: Client):
    assert "/{projectKey}/users/{userId}" not in client.get("/public/openapi.json").json()["paths"]


@pytest.mark.parametrize("path", ["/public/openapi.json", "/public/docs", "/public/docs/reference"])
@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_other_methods_are_refused(client: Client, path: str, method: str):
    answer = Client(enforce_csrf_checks=True).generic(method.upper(), path)

    assert_error(answer, 405, "method_not_allowed")


def numbers(node: Any, place: str = "") -> list[str]:
    """Return the places of the integers without a width."""
    if isinstance(node, list):
        return [found for index, below in enumerate(node) for found in numbers(below, f"{place}/{index}")]
    if not isinstance(node, dict):
        return []
    narrow = [place] if "integer" in str(node.get("type")) and node.get("format") != "int64" else []
    return narrow + [found for name, below in node.items() for found in numbers(below, f"{place}/{name}")]


def test_numbers_are_64_bits_wide_and_lists_and_texts_that_are_sent_have_limits():
    schemas = kept()["components"]["schemas"]

    assert not numbers(kept())
    assert (schemas["NewJobsRequest"]["properties"]["jobs"]["maxItems"], schemas["JobWait"]["required"]) == (
        MOST_JOBS,
        ["what"],
    )
    for name, schema in schemas.items():
        for member, what in schema.get("properties", {}).items():
            if name.endswith("Request") and what.get("type") == "string":
                assert "maxLength" in what or "pattern" in what, (name, member)


def test_every_answer_has_an_example_that_its_schema_allows_and_no_example_starts_soon():
    document = kept()
    lacking, wrong = [], []
    for path, item in document["paths"].items():
        for method, operation in item.items():
            contents = [(status, answer.get("content")) for status, answer in operation["responses"].items()]
            contents += [("request", operation.get("requestBody", {}).get("content"))]
            for status, content in contents:
                if content is None:
                    continue
                (described,) = content.values()
                if not described.get("examples"):
                    lacking.append((method, path, status))
                for example in described.get("examples", {}).values():
                    found = example if "value" in example else resolved(document, example)
                    validator = Draft202012Validator({**described["schema"], "components": document["components"]})
                    wrong += [f"{path} {status}: {error.message}" for error in validator.iter_errors(found["value"])]
    in_2100 = 4_102_444_800_000
    new_job, new_jobs = (document["components"]["examples"][name]["value"] for name in ("new_job", "new_jobs"))

    assert (lacking, wrong) == ([], [])
    assert {job["startAt"] for job in (new_job, *new_jobs["jobs"])} == {in_2100}


def resolved(document: dict[str, Any], reference: dict[str, str]) -> Any:
    found: Any = document
    for part in reference["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return found


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda answer: answer.headers.pop("Cache-Control"), "lacks the header cache-control"),
        (lambda answer: answer.headers.__setitem__("X-New", "1"), "has the unknown header x-new"),
        (lambda answer: setattr(answer, "status_code", 418), "the status 418 is not documented"),
        (lambda answer: setattr(answer, "content", b'{"data":[],"more":1}'), "Additional properties are not allowed"),
    ],
)
def test_an_answer_that_is_not_as_documented_is_noticed(api: Api, change: Any, fault: str):
    answer = api.get("/jobs")
    path = f"/public/{api.project.key}/jobs"
    before = faults_of("GET", path, answer)

    change(answer)

    assert before == []
    assert [found for found in faults_of("GET", path, answer) if fault in found]


@override_settings(JOBS={"USER_ERASE_ACTION": "no_such_action"})
def test_the_examples_of_requests_name_an_action_that_the_host_offers(client: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(actions._registry, "delete_user_data")

    document = client.get("/public/openapi.json").json()

    offered = document["components"]["schemas"]["NewJobRequest"]["properties"]["action"]["enum"]
    assert document["components"]["examples"]["new_job"]["value"]["action"] == offered[0]


def test_every_link_leads_to_a_call_and_finds_what_this_needs_in_the_answer():
    document = kept()
    calls = {call["operationId"]: call for item in document["paths"].values() for call in item.values()}
    linked = set()

    for call in calls.values():
        for answer in call["responses"].values():
            for link in (resolved(document, reference) for reference in answer.get("links", {}).values()):
                parameters = {described["name"]: described for described in calls[link["operationId"]]["parameters"]}
                required = {name for name, described in parameters.items() if described.get("required")}
                assert required <= link["parameters"].keys() <= parameters.keys()
                assert all(map(partial(is_found, document, call, answer), link["parameters"].values())), link
                linked.add((call["operationId"], link["operationId"]))

    assert {
        ("createJob", "getJob"),
        ("createJob", "cancelJob"),
        ("createJobs", "getJob"),
        ("getJob", "getJob"),
    } < linked


def is_found(document: dict[str, Any], call: dict[str, Any], answer: dict[str, Any], expression: str) -> bool:
    """Whether a runtime expression has a value in each example of an answer."""
    source, _, name = expression.rpartition(".") if "#" not in expression else expression.partition("#")
    if source == "$request.path":
        return name in {described["name"] for described in call["parameters"] if described["in"] == "path"}
    if source == "$response.header":
        return answer["headers"][name]["required"] is True
    assert source == "$response.body"
    examples = answer["content"]["application/json"]["examples"]
    # Of the errors with one status, only this one names a job.
    for example in [examples["active_job_exists"]] if "active_job_exists" in examples else examples.values():
        found: Any = (example if "value" in example else resolved(document, example))["value"]
        for part in name.removeprefix("/").split("/"):
            found = found[int(part) if isinstance(found, list) else part]
        assert type(found) is int
    return True


@pytest.mark.parametrize("start", [-1, 0, 1, 10**11, 10**11 + 1, 253_370_764_800_000, 253_370_764_800_001])
def test_the_document_allows_the_instants_that_the_service_accepts(api: Api, start: int):
    schemas = kept()["components"]["schemas"]
    body = {"action": "touch_publicly", "referenceId": "a", "startAt": start}
    said = Draft202012Validator(schemas["NewJobRequest"]).is_valid(body)

    assert (api.post("/jobs", body).status_code == 201) is said
    assert (api.delete(f"/users/a?startAt={start}").status_code == 200) is said


@pytest.mark.parametrize("character", ["\x00", "\x1f", " ", "\x7e", "\x7f", "\x9f", "\xa0", "\u2028", "\U0010ffff"])
def test_the_document_allows_the_characters_that_the_service_accepts(api: Api, character: str):
    body = {"action": "touch_publicly", "referenceId": f"a{character}b", "description": f"a{character}b"}
    said = Draft202012Validator(kept()["components"]["schemas"]["NewJobRequest"]).is_valid(body)

    assert (api.post("/jobs", body).status_code == 201) is said
    assert (api.get(f"/jobs?referenceId={quote(body['referenceId'])}").status_code == 200) is said
