from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from jobs.models import ApiKey
from jobs.services.tenants.api_keys import make_secret, revoke_api_key
from jobs.services.tenants.projects import disable_organization, enable_organization
from tests.support.api_client import Api, assert_error
from tests.support.factories import make_job, make_key, make_project

MALFORMED = [
    *("", "x", "jsk_", "jsk_" + "a" * 38, "JSK_" + "a" * 38, "é" * 42, "jsk_" + "\xff" * 38, "a b", '"x"', "x" * 5000),
]


def call(api: Api, authorization: str | None, project_key: str | None = None):
    headers = {} if authorization is None else {"Authorization": authorization}
    return api.client.get(f"/public/{project_key or api.project.key}/jobs", headers=headers)


def body_of(response) -> dict[str, str]:
    """Return an error's body without the id, which is another for each request."""
    return {name: value for name, value in response.json().items() if name != "requestId"}


def assert_refused(response) -> None:
    assert_error(response, 401, "unauthorized")
    assert response["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("secret", [*MALFORMED, "one wrong character"])
def test_a_malformed_key_is_refused_without_a_query(api: Api, secret: str, django_assert_num_queries):
    if secret == "one wrong character":
        secret = api.secret[:10] + ("a" if api.secret[10] != "a" else "b") + api.secret[11:]

    with django_assert_num_queries(0):
        response = call(api, f"Bearer {secret}")

    assert_refused(response)


def test_a_missing_wrong_revoked_or_expired_key_gets_the_same_answer_from_the_next_request_on(api: Api):
    revoked, expired = (make_key(organization=api.project.organization, lifetime=timedelta(days=1)) for _ in range(2))
    before = [call(api, f"Bearer {key.secret}").status_code for key in (revoked, expired)]
    revoke_api_key(revoked.key.prefix)
    ApiKey.objects.filter(pk=expired.key.pk).update(expires_at=timezone.now() - timedelta(milliseconds=1))
    keys = [revoked.secret, expired.secret, make_secret(), "x"]

    answers = [call(api, authorization) for authorization in (None, *(f"Bearer {key}" for key in keys))]

    assert before == [200, 200]
    for answer in answers:
        assert_refused(answer)
        assert body_of(answer) == body_of(answers[0])


@pytest.mark.parametrize(
    "project_key", ["unknown", "%00", "a%00", "%FF", "%F0%9F%92%A9", "%0A", "x" * 300, "a%25", "'", "..."]
)
def test_an_impossible_project_key_is_not_found(api: Api, project_key: str):
    response = call(api, f"Bearer {api.secret}", project_key)

    assert response.status_code == 404
    assert_error(response, 404, "project_not_found", error="project not found")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/jobs"), ("POST", "/jobs"), ("GET", "/jobs/{}"), ("DELETE", "/jobs/{}"), ("DELETE", "/users/x")],
)
def test_a_key_bound_to_a_project_sees_another_of_its_organization_as_unknown(api: Api, method: str, path: str):
    other = make_project(organization=api.project.organization)
    job = make_job(project=other)
    bound = make_key(organization=api.project.organization, project=api.project)
    headers = {"Authorization": f"Bearer {bound.secret}", "X-Request-Id": "same"}

    answers = [
        api.client.generic(method, f"/public/{key}{path.format(job.pk)}", headers=headers)
        for key in (other.key, "0" * 20)
    ]

    assert call(api, f"Bearer {bound.secret}").status_code == 200
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].content == answers[1].content
    assert sorted(answers[0].headers) == sorted(answers[1].headers)
    job.refresh_from_db()
    assert job.status == "scheduled"


def test_a_key_of_a_disabled_organization_is_answered_like_a_wrong_key(api: Api):
    headers = {"Authorization": f"Bearer {api.secret}", "X-Request-Id": "same"}
    disable_organization(api.project.organization.name)

    own = api.client.get(f"/public/{api.project.key}/jobs", headers=headers)
    wrong = api.client.get(f"/public/{api.project.key}/jobs", headers={**headers, "Authorization": "Bearer x"})
    enable_organization(api.project.organization.name)

    assert_refused(own)
    assert own.content == wrong.content
    assert sorted(own.headers.items()) == sorted(wrong.headers.items())
    assert call(api, f"Bearer {api.secret}").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        *(("GET", "/jobs", "read"), ("GET", "/jobs/1", "read"), ("DELETE", "/jobs/1", "cancel")),
        ("POST", "/jobs", "create"),
        ("POST", "/jobs/batch", "create"),
        ("DELETE", "/users/x", "create"),
    ],
)
def test_each_call_needs_its_scope(api: Api, method: str, path: str, scope: str):
    def answer(*scopes: str) -> Any:
        api.secret = make_key(organization=api.project.organization, scopes=scopes).secret
        return api.call(method, path)

    refused = answer(*{"read", "create", "cancel"} - {scope})
    passed = answer(scope)

    assert_error(refused, 403, "missing_scope", error=f"this API key lacks the scope '{scope}'")
    assert passed.status_code != 403


def test_the_use_of_a_key_is_recorded_once_a_minute(api: Api):
    call(api, f"Bearer {api.secret}")
    first = ApiKey.objects.get().last_used_at
    call(api, f"Bearer {api.secret}")

    assert first is not None
    assert ApiKey.objects.get().last_used_at == first
