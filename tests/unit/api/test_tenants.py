"""Every route by every method, asked by a stranger: what is of others looks like what is not there."""

from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client
from django.urls.resolvers import URLPattern

from jobs.api.urls import urlpatterns
from jobs.models import Job, JobEvent
from jobs.status import Status
from tests.support.factories import make_job, make_key, make_project

pytestmark = pytest.mark.django_db

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
UNKNOWN_PROJECT = "0" * 20
UNKNOWN_JOB = 9_000_000_000
BODY = b'{"action": "touch_publicly", "referenceId": "somebody@example.com"}'
BATCH = b'{"jobs": [' + BODY + b"]}"
OF_A_PROJECT = [
    pattern.name
    for pattern in urlpatterns
    if isinstance(pattern, URLPattern) and "project_key" in pattern.pattern.regex.groupindex
]
OF_A_JOB = [
    pattern.name
    for pattern in urlpatterns
    if isinstance(pattern, URLPattern) and "job_id" in pattern.pattern.regex.groupindex
]


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """Two organizations: who asks, and whose it is."""

    own: Any
    foreign: Any
    secret: str
    own_job: int
    foreign_job: int

    def ask(self, route: str, method: str, *, project_key: str, job_id: int) -> Any:
        """Call, and return status, body and the headers that could tell something."""
        path = path_of(route, project_key=project_key, job_id=job_id)
        headers = {"Authorization": f"Bearer {self.secret}", "X-Request-Id": "the-same"}
        body = {"data": BATCH if "batch" in route else BODY, "content_type": "application/json"}
        answer = Client().generic(method, path, headers=headers, **(body if method in ("POST", "PUT", "PATCH") else {}))
        headers_of = {name: value for name, value in answer.headers.items() if name != "RateLimit"}
        return answer.status_code, answer.content, headers_of


def path_of(route: str, *, project_key: str, job_id: int) -> str:
    """Return the path of a route; made by hand, as the keys of strangers are none that could be reversed."""
    (pattern,) = (p for p in urlpatterns if isinstance(p, URLPattern) and p.name == route)
    names = pattern.pattern.regex.groupindex
    ending = {"jobs": "jobs", "batch": "jobs/batch", "job": f"jobs/{job_id}", "user": "users/x%40example.com"}[route]
    assert set(names) <= {"project_key", "job_id", "user_id"}
    return f"/public/{project_key}/{ending}"


@pytest.fixture
def neighbours() -> Neighbours:
    own, foreign = make_project(), make_project()
    return Neighbours(
        own=own,
        foreign=foreign,
        secret=make_key(organization=own.organization).secret,
        own_job=make_job(project=own).pk,
        foreign_job=make_job(project=foreign, status=Status.RUNNING).pk,
    )


def everything() -> list[Any]:
    return [list(model.objects.order_by("pk").values()) for model in (Job, JobEvent)]


def test_the_matrix_is_made_of_all_routes():
    assert {"jobs", "job", "user"} <= set(OF_A_PROJECT)
    assert "job" in OF_A_JOB


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("route", OF_A_PROJECT)
def test_a_project_of_others_is_like_one_that_does_not_exist(neighbours: Neighbours, route: str, method: str):
    before = everything()

    foreign = neighbours.ask(route, method, project_key=neighbours.foreign.key, job_id=neighbours.foreign_job)
    unknown = neighbours.ask(route, method, project_key=UNKNOWN_PROJECT, job_id=neighbours.foreign_job)

    assert foreign == unknown
    assert foreign[0] in (404, 405)
    assert everything() == before


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("route", OF_A_JOB)
def test_a_job_of_others_under_an_own_project_is_like_one_that_does_not_exist(
    neighbours: Neighbours, route: str, method: str
):
    before = everything()

    foreign = neighbours.ask(route, method, project_key=neighbours.own.key, job_id=neighbours.foreign_job)
    unknown = neighbours.ask(route, method, project_key=neighbours.own.key, job_id=UNKNOWN_JOB)

    assert foreign == unknown
    assert foreign[0] in (404, 405)
    assert everything() == before


@pytest.mark.parametrize("route", OF_A_PROJECT)
def test_what_is_refused_to_strangers_is_answered_to_the_owner(neighbours: Neighbours, route: str):
    own = [
        neighbours.ask(route, method, project_key=neighbours.own.key, job_id=neighbours.own_job)[0]
        for method in ("GET", "POST", "DELETE")
    ]

    assert {200, 201} & set(own)


@pytest.mark.parametrize("route", OF_A_PROJECT)
def test_nothing_of_others_stands_in_what_an_owner_is_answered(neighbours: Neighbours, route: str):
    theirs = Job.objects.get(pk=neighbours.foreign_job).reference_id.encode()

    for method in ("GET", "POST", "DELETE"):
        assert theirs not in neighbours.ask(route, method, project_key=neighbours.own.key, job_id=neighbours.own_job)[1]
