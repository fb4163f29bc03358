"""The endpoints: each reads the request, calls a service and serializes the result."""

from typing import Any, ClassVar
from urllib.parse import quote

from django.http import Http404
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from .. import conf
from ..actions import find_action
from ..exceptions import ActiveJobExists
from ..models import ApiKey
from ..services.commands.cancel import cancel_job
from ..services.commands.schedule import request_job, schedule_job
from ..services.commands.schedule_batch import request_jobs
from ..services.search.api_pages import list_page
from ..services.search.jobs import get_job_and_time
from .base import ApiViewSet, ProjectViewSet
from .etags import conditional_response
from .filters import parse_search
from .idempotency import read_idempotent_body, replay_headers, wants_existing
from .include import included_members, parse_include
from .pagination import link_header, parse_page
from .parsing import (
    MAX_BATCH_BYTES,
    MAX_BODY_BYTES,
    parse_job_id,
    parse_object,
    parse_reason,
    parse_user_id,
    read_query,
)
from .serializers import JOB_COLUMNS, KeySerializer, parse_new_job, parse_new_jobs


class JobViewSet(ProjectViewSet):
    """``/{projectKey}/jobs`` and ``/{projectKey}/jobs/{jobId}``."""

    scopes: ClassVar = {"list": "read", "retrieve": "read", "create": "create", "destroy": "cancel"}

    def list(self, request: Request, **_: str) -> Response:
        """Answer with a page of the project's jobs, by default the newest first."""
        query = read_query(request)
        search, asked = parse_search(query), parse_page(query)
        found = list_page(
            search, project=self.project, limit=asked.limit, offset=asked.offset, after=asked.after, columns=JOB_COLUMNS
        )
        jobs = self.get_serializer(found.jobs, many=True).data
        return Response({"data": jobs}, headers={"Link": link_header(found, asked=asked, query=query)})

    def retrieve(self, request: Request, job_id: str, **_: str) -> HttpResponseBase:
        """Answer with one job and the members in ``include``; 304 if the caller has this answer already."""
        pk = parse_job_id(job_id)
        include = parse_include(read_query(request))
        job, now = get_job_and_time(pk, project=self.project)
        members = {**self.get_serializer(job).data, **included_members(job, include, now=now)}
        return conditional_response(job, {"data": members}, now=now, request=request)

    def create(self, request: Request, **_: str) -> Response:
        """Create a job; only once, if the request has an ``Idempotency-Key``."""
        returns_existing = wants_existing(request)
        body, idempotent = read_idempotent_body(request, endpoint="job", max_bytes=MAX_BODY_BYTES)
        try:
            scheduled = request_job(
                lambda: parse_new_job(parse_object(body)),
                project=self.project,
                actor=self.caller.actor,
                request=idempotent,
            )
        except ActiveJobExists as error:
            if not returns_existing:
                raise
            return self.present(error.job)
        (job,) = scheduled.jobs
        location = {"Location": f"{quote(request.path)}/{job.pk}"}
        return self.present(job, status=201, headers={**location, **replay_headers(scheduled)})

    def destroy(self, request: Request, job_id: str, **_: str) -> Response:
        """Cancel a job that waits or runs, with an optional ``reason``."""
        pk = parse_job_id(job_id)
        reason = parse_reason(read_query(request))
        job = cancel_job(pk, project=self.project, actor=self.caller.actor, reason=reason)
        return self.present(job)


class BatchViewSet(ProjectViewSet):
    """``/{projectKey}/jobs/batch``."""

    scopes: ClassVar = {"create": "create"}

    def create(self, request: Request, **_: str) -> Response:
        """Create many jobs, all or none; only once, if the request has an ``Idempotency-Key``."""
        body, idempotent = read_idempotent_body(request, endpoint="batch", max_bytes=MAX_BATCH_BYTES)
        scheduled = request_jobs(
            lambda: parse_new_jobs(parse_object(body)),
            project=self.project,
            actor=self.caller.actor,
            request=idempotent,
        )
        presented = self.get_serializer(scheduled.jobs, many=True).data
        return Response({"data": presented}, status=201, headers=replay_headers(scheduled))


class UserViewSet(ProjectViewSet):
    """``/{projectKey}/users/{userId}``; 404 unless ``JOBS["USER_ERASE_ACTION"]`` is a public action."""

    scopes: ClassVar = {"destroy": "create"}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Raise Http404, before all other checks, if the action is not there."""
        found = find_action(conf.current().user_erase_action)
        if found is None or not found.public:
            raise Http404
        super().initial(request, *args, **kwargs)

    def destroy(self, request: Request, user_id: str, **_: str) -> Response:
        """Create the job that erases a user."""
        reference_id = parse_user_id(user_id, request=request)
        returns_existing = wants_existing(request)
        action = conf.current().user_erase_action
        try:
            job = schedule_job(action, project=self.project, reference_id=reference_id, actor=self.caller.actor)
        except ActiveJobExists as error:
            if not returns_existing:
                raise
            return self.present(error.job)
        return self.present(job)


class KeyViewSet(ApiViewSet):
    """``/me``: the API key of the request; any valid key may ask."""

    scopes: ClassVar = {"retrieve": None}
    serializer_class = KeySerializer

    def retrieve(self, request: Request, **_: str) -> Response:
        """Answer with the key; for a caller whom the host authenticated otherwise, with one that is not saved."""
        caller = self.caller
        key = caller.key or ApiKey(organization=caller.organization, scopes=list(caller.scopes))
        return Response({"data": self.get_serializer(key).data})
