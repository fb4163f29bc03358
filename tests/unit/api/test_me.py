"""``GET /public/me``: the API key of the request."""

from datetime import UTC, datetime, timedelta

import pytest

from jobs.models import ApiKey
from jobs.services.tenants.api_keys import rotate_api_key
from tests.support.api_client import Api, counted_statements
from tests.support.factories import make_key

pytestmark = pytest.mark.django_db


def ask(api: Api, secret: str, method: str = "GET"):
    return api.client.generic(method, "/public/me", headers={"Authorization": f"Bearer {secret}"})


def test_the_answer_has_the_key_s_organization_name_scopes_and_where_it_has_them_project_and_expiry(api: Api):
    organization = api.project.organization
    made = make_key(organization=organization, name="CI", scopes=["cancel"])
    bound = make_key(organization=organization, project=api.project, lifetime=timedelta(days=1))
    ApiKey.objects.filter(pk=bound.key.pk).update(expires_at=datetime(2040, 1, 1, tzinfo=UTC))

    answer, shown = ask(api, made.secret), ask(api, bound.secret).json()["data"]

    assert answer.status_code == 200
    assert list(answer.json()["data"]) == ["organization", "keyPrefix", "name", "scopes", "project", "expiresAt"]
    assert list(answer.json()["data"].values()) == [organization.name, made.secret[:12], "CI", ["cancel"], None, None]
    assert (shown["project"], shown["expiresAt"]) == (api.project.key, 2_208_988_800_000)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_refused_after_the_key(api: Api, method: str):
    allowed = ask(api, api.secret, method)

    assert allowed.status_code == 405
    assert allowed["Allow"] == "GET, HEAD"
    assert ask(api, "x", method).status_code == 401


def test_similar_paths_are_not_found_and_a_project_called_me_keeps_its_routes(api: Api):
    type(api.project)._default_manager.filter(pk=api.project.pk).update(key="me")
    paths = ("me/", "me/x", "Me", "me/jobs")

    answers = [api.client.get(f"/public/{path}", headers={"Authorization": f"Bearer {api.secret}"}) for path in paths]

    assert [answer.status_code for answer in answers] == [404, 404, 404, 200]
    assert answers[-1].json() == {"data": []}


@pytest.mark.parametrize(("is_bound", "statements"), [(False, 1), (True, 2)])
def test_the_answer_costs_one_statement_and_one_more_for_the_project(api: Api, is_bound: bool, statements: int):
    made = make_key(organization=api.project.organization, project=api.project if is_bound else None)
    ask(api, made.secret)

    assert len(counted_statements(lambda: ask(api, made.secret))) == statements


def test_a_key_within_its_overlap_still_answers_and_says_until_when(api: Api):
    old = make_key(organization=api.project.organization)
    new = rotate_api_key(old.key.prefix, overlap=timedelta(hours=1))

    shown = [ask(api, secret).json()["data"]["expiresAt"] for secret in (old.secret, new.secret)]

    assert shown[0] is not None
    assert shown[1] is None
