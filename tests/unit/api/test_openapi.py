"""The OpenAPI document: complete, valid, up to date, and served with the host's prefix and actions."""

import json
from typing import Any

import pytest
from django.test import Client, override_settings
from django.urls import get_resolver
from django.urls.resolvers import URLPattern
from openapi_spec_validator import OpenAPIV31SpecValidator

from jobs.api.openapi import DOCUMENT
from jobs.api.urls import urlpatterns
from tests.support.api_client import assert_error
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


@pytest.mark.parametrize("path", ["/public/openapi.json", "/public/docs"])
@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_other_methods_are_refused(client: Client, path: str, method: str):
    answer = Client(enforce_csrf_checks=True).generic(method.upper(), path)

    assert_error(answer, 405, "method_not_allowed")


def test_swagger_ui_has_nothing_that_a_strict_csp_forbids(client: Client):
    page = client.get("/public/docs").content.decode()

    assert 'data-document="openapi.json"' in page
    assert "<style" not in page
    assert "<script>" not in page
    assert "//" not in page.replace("<!doctype html>", "")


@override_settings(INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "rest_framework", "jobs"])
def test_without_its_files_swagger_ui_is_not_found(client: Client):
    assert_error(client.get("/public/docs"), 404, "not_found")
