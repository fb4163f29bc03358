"""The endpoints: each reads the request, calls a service and serializes the result."""

from contextlib import nullcontext
from typing import Any, ClassVar, Final
from urllib.parse import quote

from django.http import Http404
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from .. import conf
from ..actions import find_action
from ..exceptions import ActiveJobExists
from ..models import ApiKey, Job
from ..services.at_once import AtOnce
from ..services.commands.cancel import cancel_job
from ..services.commands.preview import request_preview
from ..services.commands.schedule import NewJob, request_job
from ..services.commands.schedule_batch import request_jobs
from ..services.search.api_query import ListQuery
from ..services.search.jobs import get_job_and_time
from .base import ApiViewSet, ProjectViewSet
from .etags import conditional_response
from .filters import JobFilterBackend, JobFilters
from .idempotency import identify, read_idempotency_key, read_idempotent_body, replay_headers, wants_existing
from .include import included_members, parse_include
from .pagination import JobPages
from .parsing import (
    MAX_BATCH_BYTES,
    MAX_BODY_BYTES,
    parse_job_id,
    parse_object,
    parse_reason,
    parse_start,
    parse_user_id,
    read_body,
    read_parameters,
    refuse_body,
)
from .previews import PreviewSerializer
from .serializers import KeySerializer, parse_new_job, parse_new_jobs

CREATED: Final = "Job-Created"
# Of one organization in a process: it may hold one of its threads for a second or more.
BATCHES: Final = AtOnce(1, problem="another large batch of the organization is under way")
LARGE_BATCH: Final = 100
PREVIEWS: Final = AtOnce(1, problem="another preview of the organization is under way")


class JobViewSet(ProjectViewSet):
    """``/{projectKey}/jobs`` and ``/{projectKey}/jobs/{jobId}``.

    ``pagination_class`` is a :class:`JobPages`: no list is without a bound. A filter set is a :class:`JobFilters`.
    """

    scopes: ClassVar = {"list": "read", "retrieve": "read", "create": "create", "destroy": "cancel"}
    filter_backends = (JobFilterBackend,)
    filterset_class = JobFilters
    pagination_class = JobPages

    def list(self, request: Request, **_: str) -> Response:
        """Answer with a page of the project's jobs, by default the newest first."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(self.members_of_all(page or []))

    def get_queryset(self) -> Any:
        """Return the query of all jobs of the project, which the filters narrow; it is no queryset."""
        return ListQuery()

    def retrieve(self, request: Request, job_id: str, **_: str) -> HttpResponseBase:
        """Answer with one job and the members in ``include``; 304 if the caller has this answer already."""
        pk = parse_job_id(job_id)
        include = parse_include(read_parameters(request, ("include",), ignore_unknown=True))
        job, now = get_job_and_time(pk, project=self.project)
        members = {**self.members_of(job), **included_members(job, include, now=now)}
        return conditional_response(job, {"data": members}, now=now, request=request)

    def create(self, request: Request, **_: str) -> Response:
        """Create a job; only once, if the request has an ``Idempotency-Key``."""
        returns_existing = wants_existing(read_parameters(request, ("ifExists",)))
        body, idempotent = read_idempotent_body(request, endpoint="job", max_bytes=MAX_BODY_BYTES)

        def read() -> NewJob:
            new_job = parse_new_job(body)
            self.check_new_jobs(1)
            return new_job

        try:
            scheduled = request_job(read, project=self.project, actor=self.caller.actor, request=idempotent)
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
        reason = parse_reason(read_parameters(request, ("reason",), ignore_unknown=True))
        job = cancel_job(pk, project=self.project, actor=self.caller.actor, reason=reason)
        return self.present(job)


class BatchViewSet(ProjectViewSet):
    """``/{projectKey}/jobs/batch``."""

    scopes: ClassVar = {"create": "create"}

    def create(self, request: Request, **_: str) -> Response:
        """Create many jobs, all or none; only once, if the request has an ``Idempotency-Key``."""
        read_parameters(request, ())
        body, idempotent = read_idempotent_body(request, endpoint="batch", max_bytes=MAX_BATCH_BYTES)

        def read() -> list[NewJob]:
            new_jobs = parse_new_jobs(body)
            self.check_new_jobs(len(new_jobs))
            return new_jobs

        with BATCHES.one(self.caller.organization.pk) if is_large_batch(body) else nullcontext():
            scheduled = request_jobs(read, project=self.project, actor=self.caller.actor, request=idempotent)
        presented = self.members_of_all(scheduled.jobs)
        return Response({"data": presented}, status=201, headers=replay_headers(scheduled))


class PreviewViewSet(ProjectViewSet):
    """``/{projectKey}/jobs/preview``."""

    scopes: ClassVar = {"create": "create"}
    counted_as = "preview"

    def create(self, request: Request, **_: str) -> Response:
        """Answer with what a job would do, of which the body is the same; nothing is created."""
        read_parameters(request, ())
        new_job = parse_new_job(parse_object(read_body(request, max_bytes=MAX_BODY_BYTES)))
        with PREVIEWS.one(self.caller.organization.pk):
            found = request_preview(new_job, project=self.project)
        return Response({"data": PreviewSerializer(found).data})


def is_large_batch(body: dict[str, Any]) -> bool:
    """Whether it names so many jobs that it holds a thread for long; whatever else is wrong with it is told later."""
    jobs = body.get("jobs")
    return isinstance(jobs, list) and len(jobs) > LARGE_BATCH


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
        """Create the job that erases a user; ``Job-Created`` tells whether it is new."""
        reference_id = parse_user_id(user_id, request=request)
        refuse_body(request)
        query = read_parameters(request, ("ifExists", "startAt"))
        returns_existing, start_at = wants_existing(query), parse_start(query)
        new_job = NewJob(action=conf.current().user_erase_action, reference_id=reference_id, start_at=start_at)
        asked = {"referenceId": reference_id, "startAt": query.get("startAt")}
        idempotent = identify(request, read_idempotency_key(request), endpoint="user", sent=asked)

        def read() -> NewJob:
            self.check_new_jobs(1)
            return new_job

        try:
            scheduled = request_job(read, project=self.project, actor=self.caller.actor, request=idempotent)
        except ActiveJobExists as error:
            if not returns_existing:
                raise
            return self._present(error.job, user_id, {CREATED: "false"})
        (job,) = scheduled.jobs
        return self._present(job, user_id, {CREATED: "true", **replay_headers(scheduled)})

    def _present(self, job: Job, user_id: str, headers: dict[str, str]) -> Response:
        address = f"{self.request.path.removesuffix(f'users/{user_id}')}jobs/{job.pk}"
        return self.present(job, headers={"Location": quote(address), **headers})


class KeyViewSet(ApiViewSet):
    """``/me``: the API key of the request; any valid key may ask."""

    scopes: ClassVar = {"retrieve": None}
    serializer_class = KeySerializer

    def retrieve(self, request: Request, **_: str) -> Response:
        """Answer with the key; for a caller whom the host authenticated otherwise, with one that is not saved."""
        caller = self.caller
        key = caller.key or ApiKey(organization=caller.organization, scopes=list(caller.scopes))
        return Response({"data": self.get_serializer(key).data})
