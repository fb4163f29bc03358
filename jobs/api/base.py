"""What all endpoints share: who may pass, in which order, and the form of every answer."""

from typing import Any, ClassVar, cast

from django.db import connections, transaction
from django.db.models import Model
from django.http import HttpRequest
from django.views.decorators.common import no_append_slash
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from .. import conf
from ..exceptions import ActiveJobExists
from ..http import IS_OURS, REQUEST_ID_HEADER, request_id_of
from ..models import Job
from ..services.commands.idempotency import IdempotentRequest
from . import hooks
from .authentication import CHALLENGE, Caller
from .errors import HttpError, answer_error
from .idempotency import identify_call, read_idempotency_key
from .parsing import StrictJson, read_body
from .rendering import Json, OnlyJson
from .serializers import JobSerializer
from .throttling import Quota, count_request


class ApiViewSet(GenericViewSet[Job]):
    """What all endpoints share. Everything is pinned here, so that no setting of the host's framework leaks in;
    what a host may replace, ``JOBS`` names.

    Checks come in the order route, key, method, scope, throttle, project; the rest is the endpoint's.
    A request counts against its key's quota whatever refuses it.
    """

    renderer_classes = (Json,)
    # Endpoints read bodies themselves, see ``receive``; the document takes the type of their bodies from here.
    parser_classes = (StrictJson,)
    # Not asked: ``JOBS`` names these, see ``hooks``.
    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    content_negotiation_class = OnlyJson
    metadata_class = None
    versioning_class = None
    filter_backends = ()
    pagination_class = None
    serializer_class = JobSerializer

    scopes: ClassVar[dict[str, str | None]]
    """The scope that each of the view's actions needs; None: none."""
    action_map: dict[str, str]
    project: Model
    quota: Quota | None = None
    """What is left to the caller; None as long as it is not known, or nothing of ours limits it."""

    @classmethod
    def as_view(cls, actions: Any = None, **initkwargs: Any) -> Any:
        """Return the view; never within a transaction of the host's, and never redirected to a path with a slash."""
        view = no_append_slash(super().as_view(actions, **initkwargs))
        for alias in connections:
            view = transaction.non_atomic_requests(using=alias)(view)
        return view

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse what may not pass; afterwards ``self.project`` is the project asked for."""
        self.check_route()
        super().initial(request, *args, **kwargs)
        self.check_project()

    @property
    def caller(self) -> Caller:
        """Who calls, once the key was checked."""
        return cast("Caller", self.request.auth)

    def check_route(self) -> None:
        """Raise Http404 if on this host there is no such route."""

    def check_project(self) -> None:
        """Set ``self.project``, or refuse what is not open to the caller."""
        self.project = hooks.find_project(self.request, self.kwargs["project_key"])

    def get_authenticators(self) -> list[Any]:
        """Return the host's, or ours."""
        return hooks.authenticators()

    def get_authenticate_header(self, request: Any) -> str:
        """Return the challenge of a 401, which needs one (RFC 9110 §15.5.2)."""
        return super().get_authenticate_header(request) or CHALLENGE["WWW-Authenticate"]

    def get_permissions(self) -> list[Any]:
        """Return the host's, or ours."""
        return hooks.permissions()

    def get_throttles(self) -> list[Any]:
        """Return the host's; ours are no classes."""
        return hooks.throttles()

    def perform_authentication(self, request: Request) -> None:
        """Refuse who is not known, and count the request of who is."""
        super().perform_authentication(request)
        # Not whether `request.auth` is None: the host may have another word for nobody.
        is_known = request.successful_authenticator is not None
        if is_known and not isinstance(request.auth, Caller):
            raise TypeError("the class that JOBS['AUTHENTICATION'] names must return (user, Caller)")
        if not is_known or self.caller.organization.disabled_at:
            raise HttpError(401, headers={"WWW-Authenticate": self.get_authenticate_header(request)})
        self.quota = None if conf.current().throttle else count_request(self.caller.identity)

    def check_throttles(self, request: Request) -> None:
        """Refuse what is beyond the quota."""
        if self.quota is not None and self.quota.is_exceeded:
            raise HttpError(429, headers=self.quota.retry_after)
        super().check_throttles(request)

    def check_permissions(self, request: Request) -> None:
        """Refuse a method before the scopes that it would need."""
        if str(request.method).lower() not in self.action_map:
            raise HttpError(405, headers={"Allow": ", ".join(sorted(self.action_map)).upper()})
        super().check_permissions(request)

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Mark the answer as ours, and say what is left; nobody may keep it, unless the endpoint says who."""
        response = super().finalize_response(request, response, *args, **kwargs)
        for name, value in (self.quota.headers if self.quota else {}).items():
            response.headers[name] = value
        response.headers[REQUEST_ID_HEADER] = request_id_of(getattr(request, "_request", request))
        response.setdefault("Cache-Control", "private, no-store")
        setattr(response, IS_OURS, True)
        return response

    @property
    def default_response_headers(self) -> dict[str, str]:
        """None: ``Allow`` belongs to a 405."""
        return {}

    def get_format_suffix(self, **kwargs: Any) -> None:
        """Return None: paths have no suffix."""

    def get_exception_handler(self) -> Any:
        """Return ours, not the host's."""
        return answer_error

    def get_serializer_context(self) -> dict[str, Any]:
        """Add the project, which the serializer of a job needs."""
        return {**super().get_serializer_context(), "project": self.project}

    def present(self, job: Job, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
        """Answer with one job."""
        return Response({"data": self.get_serializer(job).data}, status=status, headers=headers)

    def present_existing(self, error: ActiveJobExists, *, wanted: bool) -> Response:
        """Answer with the active job that was in the way, if that is what the caller wants; else raise ``error`` on."""
        if not wanted:
            raise error
        return self.present(error.job)

    def receive(self, endpoint: str, *, max_bytes: int) -> tuple[bytes, IdempotentRequest | None]:
        """Return the body, and the call that the request is; None: it names itself by no key."""
        request = plain(self.request)
        key = read_idempotency_key(request)
        body = read_body(request, max_bytes=max_bytes)
        return body, identify_call(key, caller=self.caller.identity, endpoint=endpoint, body=body)


def plain(request: Request) -> HttpRequest:
    """Return Django's request, of which REST framework's is a wrapper."""
    return request._request
