"""The peer in Django REST framework without its expensive habits.

One statement for key and project, fixed SQL on Django's cursor, milliseconds computed by PostgreSQL, no negotiation, no
serializer, no COUNT. It has no limits, events, request ids, and does not bound the wait for a lock.
"""

from collections.abc import Sequence
from typing import Any, Final

import orjson
from django.db import connection
from django.http import HttpResponse
from django.urls import path
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from tests.benchmarks.peers.contract import ACCESS, BIGGEST_PAGE, CANCEL, LIST, NAMES, ONE, digest_of

COLUMNS: Final = """job_id, description, status, project_id, action, reference_id,
    (extract(epoch FROM created_at) * 1000)::bigint, (extract(epoch FROM updated_at) * 1000)::bigint,
    (extract(epoch FROM start_at) * 1000)::bigint, errors"""


class Caller:
    is_authenticated = True

    def __init__(self, project: int, digest: str) -> None:
        self.project, self.digest = project, digest


class KeyAndProject(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Any, None]:
        digest = digest_of(request.META.get("HTTP_AUTHORIZATION", ""))
        with connection.cursor() as cursor:
            cursor.execute(ACCESS, [digest, request.parser_context["kwargs"]["project_key"]])
            found = cursor.fetchone()
        if found is None:
            raise exceptions.AuthenticationFailed
        return Caller(*found, digest), None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class OneRenderer(BaseContentNegotiation):
    def select_parser(self, request: Request, parsers: Sequence[Any]) -> Any:
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Sequence[Any], format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class Endpoint(APIView):
    authentication_classes = (KeyAndProject,)
    permission_classes = ()
    throttle_classes = ()
    renderer_classes = (JSONRenderer,)
    content_negotiation_class = OneRenderer


def query(sql: str, parameters: Sequence[Any]) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(sql.format(columns=COLUMNS), parameters)
        return [dict(zip(NAMES, row, strict=True)) for row in cursor.fetchall()]


def answer(data: Any) -> HttpResponse:
    return HttpResponse(orjson.dumps({"data": data}), content_type="application/json")


def number(request: Request, name: str, default: int, most: int) -> int:
    try:
        value = int(request._request.GET.get(name, default))
    except ValueError:
        value = 0
    if not 1 <= value <= most:
        raise exceptions.ValidationError(f"{name} must be 1 to {most}")
    return value


class JobList(Endpoint):
    def get(self, request: Request, project_key: str) -> HttpResponse:
        limit, page = number(request, "limit", 50, BIGGEST_PAGE), number(request, "page", 1, 2**40)
        return answer(query(LIST, [request.user.project, limit, (page - 1) * limit]))


class JobDetail(Endpoint):
    def get(self, request: Request, project_key: str, job_id: int) -> HttpResponse:
        return answer(self.find(request, job_id))

    def delete(self, request: Request, project_key: str, job_id: int) -> HttpResponse:
        cancelled = query(CANCEL, [request.user.project, job_id])
        return answer(cancelled[0]) if cancelled else self.refuse(request, job_id)

    def find(self, request: Request, job_id: int) -> dict[str, Any]:
        found = query(ONE, [request.user.project, job_id])
        if not found:
            raise exceptions.NotFound
        return found[0]

    def refuse(self, request: Request, job_id: int) -> HttpResponse:
        self.find(request, job_id)
        raise exceptions.ValidationError("the job has ended")


urlpatterns = [
    path("public/<str:project_key>/jobs", JobList.as_view()),
    path("public/<str:project_key>/jobs/<int:job_id>", JobDetail.as_view()),
]
