"""Parts of the API that a host replaces by settings or subclasses; organizations stay apart whatever it does."""

import json
from typing import Any, Final

import pytest
from django.core.cache import cache
from django.test import Client, RequestFactory, override_settings

from jobs.api.views import JobViewSet
from jobs.models import Job
from jobs.services.tenants.projects import disable_organization
from tests.support.api_client import Api, assert_error, ids_of
from tests.support.factories import make_job, make_key, make_project
from tests.support.hostapp.api_hooks import Everybody, Login, OneAtMost

pytestmark = pytest.mark.django_db

HOOKS: Final = "tests.support.hostapp.api_hooks"
LOGIN: Final = {"AUTHENTICATION": f"{HOOKS}.Login"}


@pytest.fixture(autouse=True)
def _nobody_counted_yet() -> None:
    cache.clear()


def ask(path: str, *, method: str = "GET", project: Any, user: str = "7", **further: Any) -> Any:
    """Call as a user of the host, of the organization of ``project``."""
    headers = {"Authorization": f"Login {user}@{project.organization.pk}", **further.pop("headers", {})}
    return Client().generic(method, f"/public/{path}", headers=headers, **further)


def create(project: Any, *, user: str) -> Any:
    body = '{"action": "touch_publicly", "referenceId": "x@example.com"}'
    further = {"data": body, "content_type": "application/json", "headers": {"Idempotency-Key": "k1"}}
    return ask(f"{project.key}/jobs", method="POST", project=project, user=user, **further)


@override_settings(JOBS=LOGIN)
def test_a_user_of_the_host_may_do_what_a_key_may():
    project = make_project()
    job = make_job(project=project)

    listed = ask(f"{project.key}/jobs", project=project)
    cancelled = ask(f"{project.key}/jobs/{job.pk}?reason=mistake", method="DELETE", project=project)
    read = ask(f"{project.key}/jobs/{job.pk}?include=events", project=project)

    assert ids_of(listed) == [job.pk]
    assert cancelled.json()["data"]["status"] == "cancelled"
    assert job.events.get().actor == "user:7"
    (event,) = read.json()["data"]["events"]
    assert (event["by"], event["note"]) == ("user", "mistake")


@override_settings(JOBS=LOGIN)
def test_a_foreign_project_is_answered_like_an_unknown_one():
    project, foreign = make_project(), make_project()

    theirs, unknown, impossible = (
        ask(f"{key}/jobs", project=project, headers={"X-Request-Id": "the-same"})
        for key in (foreign.key, "0" * 20, "a%00b")
    )

    assert theirs.status_code == 404
    assert theirs.content == unknown.content == impossible.content


@override_settings(JOBS=LOGIN, REST_FRAMEWORK={"UNAUTHENTICATED_TOKEN": "builtins.object"})
@pytest.mark.parametrize("credentials", ["", "Bearer jsk_x", "Login mehdi@1"])
def test_an_unknown_caller_gets_the_usual_401(credentials: str):
    project = make_project()

    answer = Client().get(f"/public/{project.key}/jobs", headers={"Authorization": credentials})

    assert_error(answer, 401, "unauthorized")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert b"mehdi" not in answer.content


@override_settings(JOBS=LOGIN)
def test_me_shows_a_user_its_organization_and_scopes_until_the_organization_is_disabled():
    project = make_project()

    shown = ask("me", project=project).json()["data"]
    disable_organization(project.organization.name)
    refused = [ask(path, project=project).status_code for path in ("me", f"{project.key}/jobs")]

    assert list(shown.values()) == [project.organization.name, "", "", ["read", "create", "cancel"], None, None]
    assert refused == [401, 401]


@override_settings(JOBS={**LOGIN, "REQUESTS_PER_MINUTE": 2})
def test_idempotency_keys_and_the_limit_of_requests_are_of_one_user():
    project = make_project()

    first, again, limited, other = (create(project, user=user) for user in ("7", "7", "7", "8"))

    assert [answer.status_code for answer in (first, again, limited, other)] == [201, 201, 429, 201]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert first.json()["data"]["jobId"] == again.json()["data"]["jobId"] != other.json()["data"]["jobId"]
    assert Job.objects.count() == 2


@override_settings(JOBS={"AUTHENTICATION": f"{HOOKS}.NoCaller"})
def test_an_authentication_class_that_returns_no_caller_is_an_error():
    with pytest.raises(TypeError, match=r"must return \(user, Caller\)"):
        ask("me", project=make_project())


class HostsJobs(JobViewSet):
    """A subclass in a host's own URLconf."""

    authentication_classes = (Login,)
    permission_classes = (Everybody,)
    throttle_classes = (OneAtMost,)


# The second names classes that do not exist: to import them would fail.
@pytest.mark.parametrize(
    "jobs", [{}, {"AUTHENTICATION": f"{HOOKS}.NoCaller", "PERMISSION": f"{HOOKS}.Nobody", "THROTTLE": f"{HOOKS}.Never"}]
)
def test_a_subclass_uses_the_classes_that_it_sets_whatever_the_settings_name(
    jobs: Any, monkeypatch: pytest.MonkeyPatch, rf: RequestFactory
):
    monkeypatch.setattr(OneAtMost, "seen", set())
    project = make_project()
    view = HostsJobs.as_view({"get": "list"})
    request = rf.get("/", headers={"Authorization": f"Login 7@{project.organization.pk}"})

    with override_settings(JOBS={**jobs, "REQUESTS_PER_MINUTE": 1}):
        first, second = view(request, project_key=project.key), view(request, project_key=project.key)

    assert [first.status_code, second.status_code] == [200, 429]
    assert "RateLimit" not in first.headers
    assert second.headers["Retry-After"] == "7"


def test_a_permission_class_may_allow_less_than_the_scopes_or_require_none(api: Api):
    job = make_job(project=api.project)
    secret = make_key(organization=api.project.organization, scopes=["cancel"]).secret

    with override_settings(JOBS={"PERMISSION": f"{HOOKS}.OfficeHours"}):
        refused, listed = api.delete(f"/jobs/{job.pk}"), api.get("/jobs")
    with override_settings(JOBS={"PERMISSION": f"{HOOKS}.Everybody"}):
        without_scope = Api(project=api.project, secret=secret).get("/jobs")

    assert_error(refused, 403, "forbidden")
    assert (listed.status_code, without_scope.status_code) == (200, 200)
    assert Job.objects.get().status == "scheduled"


@override_settings(JOBS={"THROTTLE": f"{HOOKS}.OneAtMost", "REQUESTS_PER_MINUTE": 1})
def test_a_throttle_class_replaces_the_limit_of_requests(api: Api, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(OneAtMost, "seen", set())

    first, second = api.get("/jobs"), api.get("/jobs")

    assert first.status_code == 200
    assert "RateLimit" not in first.headers
    assert_error(second, 429, "too_many_requests")
    assert second.headers["Retry-After"] == "7"


@override_settings(JOBS={"THROTTLE": f"{HOOKS}.OneAtMost"})
def test_a_throttle_class_is_not_made_for_a_request_without_the_scope(api: Api, monkeypatch: pytest.MonkeyPatch):
    secret = make_key(organization=api.project.organization, scopes=["cancel"]).secret
    monkeypatch.setattr(OneAtMost, "__init__", lambda throttle: pytest.fail("made"), raising=False)

    response = Api(project=api.project, secret=secret).get("/jobs")

    assert_error(response, 403, "missing_scope")


@override_settings(JOBS={"FIND_PROJECT": f"{HOOKS}.by_name"})
def test_a_function_may_find_projects_by_something_else_than_their_key_but_opens_none_to_the_wrong_caller(api: Api):
    organization = api.project.organization
    foreign, sister = make_project(name="foreign"), make_project(name="web-shop", organization=organization)
    job = make_job(project=sister)
    bound = make_key(organization=organization, project=api.project).secret

    def answer(name: str, secret: str) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {secret}", "X-Request-Id": "the-same"}
        found = Client().get(f"/public/{name}/jobs", headers=headers)
        return found.status_code, found.content

    status, listed = answer("web-shop", api.secret)
    unknown = answer("nowhere", api.secret)
    assert (status, json.loads(listed)["data"][0]["jobId"], unknown[0]) == (200, job.pk, 404)
    assert answer(sister.key, api.secret) == unknown
    assert answer(foreign.name, api.secret) == unknown
    assert answer(sister.name, bound) == unknown
