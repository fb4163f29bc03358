"""The base classes of all endpoints: their policies, the order of checks, and the headers of every answer."""

from collections.abc import Sequence
from typing import Any, ClassVar, cast

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Model
from django.http import Http404
from django.utils.module_loading import import_string
from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from .. import conf
from ..db.connection import request_limit
from ..exceptions import ProjectNotFound, TooManyWaiting
from ..http import IS_OURS, REQUEST_ID_HEADER, request_id_of
from ..models import Job
from ..services.search.api_pages import JobRow
from ..services.tenants import projects
from ..services.tenants.projects import public_id_of
from .authentication import CHALLENGE, Caller, OrganizationKey
from .errors import HttpError, answer_error
from .parsing import StrictJsonParser
from .permissions import HasScope
from .public import public
from .rendering import JsonNegotiation, JsonRenderer
from .serializers import JobSerializer, job_members
from .throttling import CallerThrottle, Quota, quota_headers, waiting_is_full


class ApiViewSet(GenericViewSet[Any]):
    """The base of all endpoints; each policy is pinned, so that the host's ``REST_FRAMEWORK`` settings have no effect.

    ``JOBS["AUTHENTICATION"]``, ``["PERMISSION"]`` and ``["THROTTLE"]`` name classes that replace the three
    below; they are read when used. A subclass that sets its own classes gets those.

    The order of checks is route, key, method, scope, throttle, project, then those of the endpoint.
    """

    authentication_classes = (OrganizationKey,)
    permission_classes = (HasScope,)
    throttle_classes = (CallerThrottle,)
    serializer_class: Any = JobSerializer
    renderer_classes = (JsonRenderer,)
    # For the OpenAPI document. Endpoints call `read_body`: ``request.data`` turns an empty body into {} by itself.
    parser_classes = (StrictJsonParser,)
    content_negotiation_class = JsonNegotiation
    metadata_class = None
    versioning_class = None
    pagination_class: Any = None
    filter_backends: Any = ()

    scopes: ClassVar[dict[str, str | None]]
    """The scope that each of the view's actions needs; None: none."""
    counted_as: ClassVar[str] = "key"
    """The quota that requests count in, other than cancels."""
    action_map: dict[str, str]
    caller: Caller
    """The caller, once the key was checked."""
    quota: Quota | None = None
    """The caller's quota; None: the caller is not known yet, or ``CallerThrottle`` does not limit it."""
    job_quota: Quota | None = None
    """The caller's quota of new jobs; None: the request has not come to create any, or as above."""

    @classmethod
    def as_view(cls, actions: Any = None, **initkwargs: Any) -> Any:
        """Return the view, which the host's middleware and settings leave alone."""
        return public(super().as_view(actions, **initkwargs))

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """Answer 503 where the database does not answer in time."""
        with request_limit():
            return super().dispatch(request, *args, **kwargs)

    def get_authenticators(self) -> list[Any]:
        return [policy() for policy in self._policy_classes("authentication")]

    def get_permissions(self) -> list[Any]:
        return [policy() for policy in self._policy_classes("permission")]

    def get_throttles(self) -> list[Any]:
        return [policy() for policy in self._policy_classes("throttle")]

    def _policy_classes(self, kind: str) -> tuple[Any, ...]:
        classes: tuple[Any, ...] = tuple(getattr(self, f"{kind}_classes"))
        replacement = getattr(conf.current(), kind)
        if replacement and classes == getattr(ApiViewSet, f"{kind}_classes"):
            classes = (import_string(replacement),)
        return classes

    def get_authenticate_header(self, request: Any) -> str:
        return super().get_authenticate_header(request) or CHALLENGE  # a 401 needs one (RFC 9110 §15.5.2)

    def perform_authentication(self, request: Request) -> None:
        """Refuse an unknown caller; count the request of a known one."""
        super().perform_authentication(request)
        # `request.auth is not None` would not do: the host may have set UNAUTHENTICATED_TOKEN.
        is_known = request.successful_authenticator is not None
        auth: Any = request.auth  # the stubs know tokens of the framework alone
        if is_known and not isinstance(auth, Caller):
            raise TypeError("the class that JOBS['AUTHENTICATION'] names must return (user, Caller)")
        if not is_known or auth.organization.disabled_at:
            raise NotAuthenticated
        self.caller = auth
        # Counted here and not in `check_throttles`, so that requests refused for their method or scope count too.
        for throttle in self._caller_throttles():
            name = "cancel" if self.scopes.get(self.action) == "cancel" else self.counted_as
            self.quota = throttle.count(self.caller.identity, name=name)

    def _caller_throttles(self) -> list[CallerThrottle]:
        return [kind() for kind in self._policy_classes("throttle") if issubclass(kind, CallerThrottle)]

    def check_permissions(self, request: Request) -> None:
        """Refuse a method that does not exist here before its scope is checked."""
        if str(request.method).lower() not in self.action_map:
            raise HttpError(405, headers={"Allow": ", ".join(sorted(self.action_map)).upper()})
        super().check_permissions(request)

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Add what every answer has; no cache may store it, unless the endpoint says which."""
        response = super().finalize_response(request, response, *args, **kwargs)
        if response.status_code == 304 and self.quota:  # polls are free
            for throttle in self._caller_throttles():
                self.quota = throttle.give_back(self.quota, self.caller.identity)
        quotas = [quota for quota in (self.quota, self.job_quota) if quota]
        for name, value in quota_headers(quotas).items():
            response.headers[name] = value
        response.headers[REQUEST_ID_HEADER] = request_id_of(getattr(request, "_request", request))
        response.setdefault("Cache-Control", "private, no-store")
        setattr(response, IS_OURS, True)
        if response.status_code >= 500:  # logged by `errors`; Django's line has the path, with a user's id, for mails
            cast("Any", response)._has_been_logged = True
        return response

    @property
    def default_response_headers(self) -> dict[str, str]:
        return {}  # not ``Allow``, which only a 405 has

    def get_format_suffix(self, **kwargs: Any) -> None:
        return None  # whatever FORMAT_SUFFIX_KWARG says

    def get_exception_handler(self) -> Any:
        return answer_error  # not the host's EXCEPTION_HANDLER


class ProjectViewSet(ApiViewSet):
    """The base of all endpoints below ``/{projectKey}``."""

    project: Model

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Run all checks; afterwards ``self.project`` is the project in the path."""
        super().initial(request, *args, **kwargs)
        self.project = self.find_project(self.kwargs["project_key"])

    def find_project(self, project_key: str) -> Model:
        """Return the project under this key; ``JOBS["FIND_PROJECT"]`` replaces how it is found, not who may open it.

        That is the path of a function ``(request, project_key) -> project or None``, where ``request.auth``
        is the :class:`~jobs.api.authentication.Caller`.

        Raises:
            ProjectNotFound: there is none, or this caller may not open it; the answer is the same.
        """
        replacement = conf.current().find_project
        project: Model | None
        if replacement:
            try:
                project = import_string(replacement)(self.request, project_key)
            except (Http404, ObjectDoesNotExist):  # the answer to these would tell more
                project = None
        elif self.caller.key is not None:  # one query found it together with the key
            project = self.caller.project
        else:
            project = projects.find_project(project_key, organization=self.caller.organization)
        if project is None or not self.caller.may_open(project):
            raise ProjectNotFound
        return project

    def check_new_jobs(self, number: int) -> None:
        """Count the jobs that the request is to create.

        Raises:
            HttpError: 429, the caller has asked for too many within a minute; these are not counted.
            TooManyWaiting: too many jobs of its organization wait.
        """
        for throttle in self._caller_throttles():
            self.job_quota = quota = throttle.count_jobs(self.caller.identity, number)
            if quota is not None and quota.is_exceeded:
                self.job_quota = throttle.give_back(quota, self.caller.identity, number=number)
                error = f"at most {quota.limit:,} new jobs within a minute; none was created"
                raise HttpError(429, error=error, headers={"Retry-After": str(quota.seconds_left)})
        if waiting_is_full(self.caller.organization):
            raise TooManyWaiting(cast("int", conf.current().most_waiting))

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "project": self.project}

    def members_of(self, job: Job) -> Any:
        """Return a job as the view's serializer shows it."""
        if self._shows_jobs_otherwise():
            return self.get_serializer(job).data
        return job_members(job, project_id=public_id_of(self.project))

    def members_of_all(self, jobs: Sequence[Job | JobRow]) -> Any:
        """Return jobs as the view's serializer shows them."""
        if self._shows_jobs_otherwise():
            whole = [job if isinstance(job, Job) else job.to_job() for job in jobs]
            return self.get_serializer(whole, many=True).data
        project_id = public_id_of(self.project)
        return [job_members(job, project_id=project_id) for job in jobs]

    def _shows_jobs_otherwise(self) -> bool:
        """Whether a subclass has a serializer of its own."""
        is_ours = type(self).get_serializer is ApiViewSet.get_serializer
        return not is_ours or self.get_serializer_class() is not JobSerializer

    def present(self, job: Job, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
        """Answer with one job."""
        return Response({"data": self.members_of(job)}, status=status, headers=headers)
