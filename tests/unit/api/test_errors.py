import logging
from unittest.mock import patch

import pytest
from django.core.signals import got_request_exception
from django.db import DataError, IntegrityError, InterfaceError, InternalError, OperationalError
from django.test import override_settings

from jobs import exceptions
from jobs.exceptions import JobsError
from jobs.status import Status
from tests.support.api_client import Api, assert_error
from tests.support.factories import make_job, make_key, make_project


class Broken(Exception):
    """An unexpected error."""


class HostForbidden(JobsError):
    """An error of the host's, whose code is one of the API's."""

    code = "forbidden"


def answer_when(error: Exception, api: Api, place: str = "views.get_job_and_time"):
    """Return the answer to a GET in which a function of the API's raises."""
    api.client.raise_request_exception = False
    with patch(f"jobs.api.{place}", side_effect=error):
        return api.get("/jobs/1")


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize(
    "error",
    [
        Broken("secret"),
        exceptions.ActionMisused("x"),
        exceptions.JobFailed("x"),
        JobsError("x"),
        HostForbidden("secret"),
    ],
)
def test_an_unexpected_error_is_a_500_in_json_and_is_logged_and_signalled(
    api: Api, error: Exception, debug: bool, caplog: pytest.LogCaptureFixture
):
    seen = []
    got_request_exception.connect(receiver := lambda **further: seen.append(further))

    with override_settings(DEBUG=debug):
        response = answer_when(error, api)

    got_request_exception.disconnect(receiver)
    assert_error(response, 500, "internal_error")
    assert response["Content-Type"] == "application/json"
    assert b"secret" not in response.content
    assert len(seen) == 1
    assert [record.exc_info[1] for record in caplog.records if record.levelno == logging.ERROR] == [error]


def caused(kind: type[Exception], sqlstate: str) -> Exception:
    error = kind("key (reference_id)=(shekar@example.com)")
    error.__cause__ = Exception("key (reference_id)=(shekar@example.com)")
    error.__cause__.sqlstate = sqlstate  # type: ignore[attr-defined]  # as a driver's error has it
    return error


OUTAGES = [
    *(caused(OperationalError, sqlstate) for sqlstate in "08006 57P01 53300 40001 40P01 55P03".split()),
    caused(InternalError, "25006"),
    InterfaceError("connection already closed"),
]


@pytest.mark.parametrize("place", ["views.get_job_and_time", "authentication.find_access"])
@pytest.mark.parametrize("error", OUTAGES)
def test_an_error_of_the_database_that_may_pass_is_a_503_with_retry_after(
    api: Api, error: Exception, place: str, caplog: pytest.LogCaptureFixture
):
    response = answer_when(error, api, place)

    assert_error(response, 503, "unavailable")
    assert int(response["Retry-After"]) > 0
    assert "shekar" not in caplog.text + response.content.decode()


def test_a_timeout_of_a_statement_is_told_apart_from_an_outage(api: Api):
    response = answer_when(caused(OperationalError, "57014"), api)

    assert_error(response, 503, "too_slow")
    assert response["Retry-After"] == "5"


@pytest.mark.parametrize("error", [IntegrityError("x"), DataError("x"), caused(OperationalError, "42P01")])
def test_any_other_error_of_the_database_is_a_500(api: Api, error: Exception):
    assert answer_when(error, api).status_code == 500


def test_the_request_id_is_the_callers_if_it_is_well_formed(api: Api):
    response = api.get("/jobs/0", headers={"X-Request-Id": "a.B-9_" * 20})

    assert response.json()["requestId"] == response["X-Request-Id"] == "a.B-9_" * 20


@pytest.mark.parametrize("sent", ["", " ", "a b", "é", "a\x00", "<b>", "a" * 129, "a,b", "a\tb"])
def test_another_request_id_is_replaced(api: Api, sent: str):
    response = api.get("/jobs/0", headers={"X-Request-Id": sent})

    assert response.json()["requestId"] == response["X-Request-Id"] != sent
    assert response["X-Request-Id"].isalnum()


def test_successes_carry_a_request_id_too(api: Api):
    assert len({api.get("/jobs")["X-Request-Id"] for _ in range(2)}) == 2


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "TRACE", "DELETE", "FOO", "CONNECT", "PROPFIND"])
def test_a_wrong_method_names_those_that_are_allowed(api: Api, method: str):
    response = api.call(method, "/jobs")

    assert_error(response, 405, "method_not_allowed")
    assert {"GET", "POST"} <= set(response["Allow"].split(", ")) <= {"GET", "HEAD", "POST"}


def test_checks_come_in_the_documented_order(api: Api):
    foreign = make_project()
    reader = make_key(organization=api.project.organization, scopes=["read"]).secret
    job = make_job(project=api.project)

    def status(method: str, project: str, path: str, secret: str, **further) -> int:
        headers = {"Authorization": f"Bearer {secret}"}
        return api.client.generic(method, f"/public/{project}{path}", headers=headers, **further).status_code

    ours, theirs = api.project.key, foreign.key
    broken = {"data": b"x" * 100_000, "content_type": "text/plain"}
    assert status("PUT", theirs, "/nowhere", "wrong") == 404  # route, before the key
    assert status("PUT", theirs, "/jobs/abc", "wrong") == 401  # key, before the method
    assert status("PUT", theirs, "/jobs/abc", reader) == 405  # method, before the scope
    assert status("DELETE", theirs, "/jobs/abc", reader) == 403  # scope, before the project
    assert status("DELETE", theirs, "/jobs/abc", api.secret) == 404  # project, before the id
    assert status("DELETE", ours, "/jobs/abc", api.secret) == 400  # id
    assert status("DELETE", ours, "/jobs/0", api.secret) == 404  # job
    assert status("POST", theirs, "/jobs", api.secret, **broken) == 404  # project, before the content type
    assert status("POST", ours, "/jobs", api.secret, **broken) == 415  # content type, before the size
    assert status("DELETE", ours, f"/jobs/{job.pk}", api.secret) == 200


def test_details_name_the_field_by_its_public_name_and_are_absent_where_there_is_none(api: Api):
    late = {"action": "touch_publicly", "referenceId": "x", "startAt": 10**15}

    assert_error(api.post("/jobs", late), 400, "invalid_field", details={"field": "startAt"})
    assert_error(api.get("/jobs/abc"), 400, "invalid_field", details={"field": "jobId"})
    assert_error(api.post("/jobs", b"[]"), 400, "invalid_field", details={"field": "body"})
    unknown = api.post("/jobs", {"action": "x", "referenceId": "x"})
    assert_error(unknown, 400, "unknown_action", details={"field": "action"})
    job = make_job(project=api.project, status=Status.COMPLETED)
    assert "details" not in api.delete(f"/jobs/{job.pk}").json()
