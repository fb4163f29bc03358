"""The endpoints: unpack, call, present."""

from typing import ClassVar
from urllib.parse import quote

from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response

from .. import conf, services
from ..actions import find_action
from .base import ApiViewSet, plain
from .parsing import parse_job_id, read_object
from .serializers import JOB_COLUMNS, KeySerializer, parse_new_job
from .user_ids import parse_user_id


class JobViewSet(ApiViewSet):
    """``/{projectKey}/jobs`` and ``/{projectKey}/jobs/{jobId}``."""

    scopes: ClassVar = {"list": "read", "retrieve": "read", "create": "create", "destroy": "cancel"}

    def list(self, request: Request, **_: str) -> Response:
        """Answer with a page of the project's jobs, newest first."""
        page = self.paginate_queryset(services.list_jobs(project=self.project).only(*JOB_COLUMNS))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def retrieve(self, request: Request, job_id: str, **_: str) -> Response:
        """Answer with one job."""
        return self.present(services.get_job(parse_job_id(job_id), project=self.project))

    def create(self, request: Request, **_: str) -> Response:
        """Schedule a job."""
        wanted = parse_new_job(read_object(plain(request)))
        job = services.schedule_job(**wanted, project=self.project, actor=self.caller.actor)
        return self.present(job, status=201, headers={"Location": f"{quote(request.path)}/{job.pk}"})

    def destroy(self, request: Request, job_id: str, **_: str) -> Response:
        """Cancel a job that waits or runs."""
        return self.present(services.cancel_job(parse_job_id(job_id), project=self.project, actor=self.caller.actor))


class UserViewSet(ApiViewSet):
    """``/{projectKey}/users/{userId}``: there only if the action behind it is registered and public."""

    scopes: ClassVar = {"destroy": "create"}

    def check_route(self) -> None:
        """Raise Http404 if this host does not erase users."""
        found = find_action(conf.current().user_erase_action)
        if found is None or not found.public:
            raise Http404

    def destroy(self, request: Request, user_id: str, **_: str) -> Response:
        """Schedule the erasure of all that is kept about a user."""
        reference_id = parse_user_id(user_id, request=plain(request))
        job = services.schedule_job(
            conf.current().user_erase_action,
            project=self.project,
            reference_id=reference_id,
            actor=self.caller.actor,
        )
        return self.present(job)


class KeyViewSet(ApiViewSet):
    """``/me``: what the key that asks is and may do; no project is asked for, no scope needed."""

    scopes: ClassVar = {"retrieve": None}

    def check_project(self) -> None:
        """Do nothing: there is none."""

    def retrieve(self, request: Request, **_: str) -> Response:
        """Answer with the key."""
        return Response({"data": KeySerializer(self.caller.key).data})
