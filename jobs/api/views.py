"""The endpoints: unpack, call, present."""

from typing import ClassVar
from urllib.parse import quote

from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response

from .. import conf, services
from ..actions import find_action
from .base import ApiViewSet, plain
from .filters import parse_search
from .pagination import links_of, parse_part
from .parsing import parse_job_id, read_object, read_query
from .serializers import JOB_COLUMNS, parse_new_job
from .user_ids import parse_user_id


class JobViewSet(ApiViewSet):
    """``/{projectKey}/jobs`` and ``/{projectKey}/jobs/{jobId}``."""

    scopes: ClassVar = {"list": "read", "retrieve": "read", "create": "create", "destroy": "cancel"}

    def list(self, request: Request, **_: str) -> Response:
        """Answer with a page of the project's jobs, newest first unless asked otherwise."""
        query = read_query(plain(request))
        search, part = parse_search(query), parse_part(query)
        page = services.list_page(
            search, project=self.project, limit=part.limit, offset=part.offset, after=part.after, columns=JOB_COLUMNS
        )
        jobs = self.get_serializer(page.jobs, many=True).data
        return Response({"data": jobs}, headers={"Link": links_of(page, part=part, query=query)})

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
