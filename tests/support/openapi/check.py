"""Compares an answer with the OpenAPI document: status, code, headers, and the body without unknown members."""

import json
from functools import cache
from typing import Any, Final

from django.http import HttpResponseBase
from django.urls import Resolver404, resolve
from jsonschema import Draft202012Validator

from jobs.api.openapi import DOCUMENT
from tests.support.openapi.operations import OPERATIONS

PATHS: Final = {
    "me": "/me",
    "jobs": "/{projectKey}/jobs",
    "batch": "/{projectKey}/jobs/batch",
    "job": "/{projectKey}/jobs/{jobId}",
    "user": "/{projectKey}/users/{userId}",
}
"""The paths of the document by the names of the routes."""

# What any address answers, whatever the endpoint, and what a class of the host's forbids.
OF_NO_ENDPOINT: Final = {"bad_request", "not_found", "method_not_allowed", "forbidden"}
# What the host, the server and HTTP itself add.
OF_THE_HOST: Final = {
    "allow",
    "content-length",
    "content-security-policy",
    "content-type",
    "cross-origin-opener-policy",
    "referrer-policy",
    "vary",
    "x-content-type-options",
    "x-frame-options",
}


def faults_of(method: str, path: str, response: HttpResponseBase) -> list[str]:
    """Return in what an answer differs from the document; ``path`` is as it was asked for, without the query.

    Answers that are not of the API's endpoints differ in nothing.
    """
    try:
        route = resolve(path)
    except Resolver404:
        return []
    if "jobs_api" not in route.app_names or route.url_name not in PATHS:
        return []
    where = ("GET" if method == "HEAD" else method, PATHS[route.url_name])
    body = _body_of(response)
    code = body.get("code") if isinstance(body, dict) and response.status_code >= 400 else None
    if code in OF_NO_ENDPOINT or where not in OPERATIONS:
        return [] if method == "HEAD" else faults_of_body("ApiError", body)
    document = _document()
    documented = document["paths"][where[1]][where[0].lower()]["responses"].get(str(response.status_code))
    if documented is None:
        return [f"the status {response.status_code} is not documented"]
    faults = _faults_of_headers(documented["headers"], {name.lower() for name in response.headers})
    if code is not None and code not in OPERATIONS[where].codes(response.status_code):
        faults.append(f"the code {code} is not documented")
    if "content" not in documented:
        return faults if body is None else [*faults, "has a body"]
    if response.headers.get("Content-Type") != "application/json":
        faults.append("is not JSON")
    elif method != "HEAD":
        (content,) = documented["content"].values()
        faults += faults_of_body(content["schema"]["$ref"].rpartition("/")[2], body)
    return faults


def _body_of(response: HttpResponseBase) -> Any:
    content: bytes = getattr(response, "content", b"")
    try:
        return json.loads(content) if content else None
    except ValueError:
        return content


def _faults_of_headers(documented: dict[str, Any], sent: set[str]) -> list[str]:
    components = _document()["components"]["headers"]
    found = {
        name.lower(): components[header["$ref"].rpartition("/")[2]] if "$ref" in header else header
        for name, header in documented.items()
    }
    missing = {name for name, header in found.items() if header.get("required")} - sent
    unknown = sent - found.keys() - OF_THE_HOST
    return [f"lacks the header {name}" for name in missing] + [f"has the unknown header {name}" for name in unknown]


def faults_of_body(schema: str, body: Any) -> list[str]:
    """Return how a body differs from the schema of this name."""
    return [f"{error.json_path}: {error.message}" for error in _validator(schema).iter_errors(body)]


@cache
def _document() -> dict[str, Any]:
    """Return the document in which no object has further members."""
    document: dict[str, Any] = json.loads(DOCUMENT.read_text())
    for schema in document["components"]["schemas"].values():
        if "properties" in schema:
            schema["additionalProperties"] = False
    return document


@cache
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator({"components": _document()["components"], "$ref": f"#/components/schemas/{schema}"})
