"""Every route and method between organizations: a foreign project or job is answered like an unknown one."""

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
UNKNOWN_JOB = 9_000_000_000
BODY = b'{"action": "touch_publicly", "referenceId": "somebody@example.com"}'
PREVIEW = b'{"action": "delete_user_data", "referenceId": "somebody@example.com"}'
BATCH = b'{"jobs": [' + BODY + b"]}"
ROUTES = {p.name: set(p.pattern.regex.groupindex) for p in urlpatterns if isinstance(p, URLPattern)}
OF_A_PROJECT = [name for name, parameters in ROUTES.items() if "project_key" in parameters]
OF_A_JOB = [name for name, parameters in ROUTES.items() if "job_id" in parameters]


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """Two organizations: the caller's and another one."""

    own: Any
    foreign: Any
    secret: str
    own_job: int
    foreign_job: int

    def ask(self, route: str, method: str, *, project_key: str, job_id: int) -> Any:
        """Call; return status, body and the headers that could reveal something."""
        path = path_of(route, project_key=project_key, job_id=job_id)
        headers = {"Authorization": f"Bearer {self.secret}", "X-Request-Id": "the-same"}
        body = {"data": {"batch": BATCH, "preview": PREVIEW}.get(route, BODY), "content_type": "application/json"}
        answer = Client().generic(method, path, headers=headers, **(body if method in ("POST", "PUT", "PATCH") else {}))
        headers_of = {name: value for name, value in answer.headers.items() if name != "RateLimit"}
        return answer.status_code, answer.content, headers_of


def path_of(route: str, *, project_key: str, job_id: int) -> str:
    """Return the path of a route; not reversed, since unknown keys could not be."""
    plain = {"jobs": "jobs", "batch": "jobs/batch", "preview": "jobs/preview", "user": "users/x%40example.com"}
    ending = {**plain, "job": f"jobs/{job_id}"}[route]
    assert ROUTES[route] <= {"project_key", "job_id", "user_id"}
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


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("route", "is_own"), [*((route, False) for route in OF_A_PROJECT), *((route, True) for route in OF_A_JOB)]
)
def test_a_foreign_project_or_a_foreign_job_in_an_own_one_is_answered_like_an_unknown_one(
    neighbours: Neighbours, route: str, is_own: bool, method: str
):
    keys = (neighbours.own.key, neighbours.own.key) if is_own else (neighbours.foreign.key, "0" * 20)
    jobs = (neighbours.foreign_job, UNKNOWN_JOB if is_own else neighbours.foreign_job)
    before = everything()

    foreign, unknown = (
        neighbours.ask(route, method, project_key=key, job_id=job) for key, job in zip(keys, jobs, strict=True)
    )

    assert foreign == unknown
    assert foreign[0] in (404, 405)
    assert everything() == before
    assert {"jobs", "job", "user"} <= set(OF_A_PROJECT)
    assert "job" in OF_A_JOB


@pytest.mark.parametrize("route", OF_A_PROJECT)
def test_the_owner_is_answered_without_foreign_data(neighbours: Neighbours, route: str):
    theirs = Job.objects.get(pk=neighbours.foreign_job).reference_id.encode()

    answers = [
        neighbours.ask(route, method, project_key=neighbours.own.key, job_id=neighbours.own_job)
        for method in ("GET", "POST", "DELETE")
    ]

    assert {200, 201} & {status for status, _, _ in answers}
    assert not [body for _, body, _ in answers if theirs in body]
