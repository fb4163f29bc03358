"""The exception handler of our views: turns errors into HTTP answers by the table ``jobs.error_codes``."""

import logging
from contextvars import Context
from typing import Any, Final, cast

from django.core.exceptions import PermissionDenied
from django.core.signals import got_request_exception
from django.db import Error as DjangoDatabaseError
from django.http import Http404, HttpRequest
from rest_framework.exceptions import APIException
from rest_framework.response import Response

from .. import exceptions
from ..db.errors import ErrorKind, kind_of
from ..error_codes import ERROR_CODES, INTERNAL_STATUSES
from ..http import envelope, error_of_status, request_id_of
from ..logging import remove_values
from ..services.validation import UnknownField
from .serializers import WIRE_NAMES, JobSerializer

logger = logging.getLogger(__name__)
# Where Django logs its own, which hosts send to their mail.
report_logger = logging.getLogger("django.request")

STATUSES: Final = INTERNAL_STATUSES | {code: entry.status for code, entry in ERROR_CODES.items()}

OURS: Final = {
    kind for kind in vars(exceptions).values() if isinstance(kind, type) and issubclass(kind, exceptions.JobsError)
}

SECONDS_TO_RETRY: Final = {ErrorKind.CONFLICT: 1, ErrorKind.OUTAGE: 5}
"""``Retry-After`` by the kind of database error; any other kind is a bug of this app, a 500."""


class HttpError(APIException):
    """A request that is refused before a service is called; code and sentence are those of ``status`` unless given."""

    def __init__(self, status: int, *, code: str = "", error: str = "", headers: dict[str, str] | None = None) -> None:
        usual_code, usual_error = error_of_status(status)
        self.status_code = status
        self.code = code or usual_code
        self.error = error or usual_error
        self.headers = headers or {}
        super().__init__(self.error, self.code)


def answer_error(error: Exception, context: dict[str, Any]) -> Response:
    """Return the answer to an exception of a view; an unexpected one is reported, too."""
    request = context["request"]._request
    return _answer_expected(error, request, context["view"]) or _answer_unexpected(error, request)


def _answer_expected(error: Exception, request: HttpRequest, view: Any) -> Response | None:
    if isinstance(error, DjangoDatabaseError) and kind_of(error) is ErrorKind.TOO_SLOW:
        error = exceptions.TooSlow()  # by a limit of the host's
    if isinstance(error, exceptions.JobsError):
        return _answer_jobs_error(error, request, view)
    if isinstance(error, DjangoDatabaseError):
        return _answer_database_error(error, request)
    if isinstance(error, HttpError):
        body = envelope(error.code, error.error, request=request)
        return Response(body, status=error.status_code, headers=error.headers)
    status = _status_of(error)
    if status is None:
        return None
    # The exception's text is not used: the framework translates it into the host's language.
    code, sentence = error_of_status(status)
    return Response(envelope(code, sentence, request=request), status=status, headers=_headers_of(error))


def _answer_unexpected(error: Exception, request: HttpRequest) -> Response:
    """Report the error as Django would, but without key, path, body and local variables; answer 500."""
    request_id = request_id_of(request)
    remove_values(error)
    if error.__traceback__ is not None:
        error.__traceback__ = error.__traceback__.tb_next  # the first function still runs, and has the request
    error.add_note(f"request={request_id}")
    # Reporters add the request that they find in the context: its path has a user's id, its body a reference.
    Context().run(got_request_exception.send, sender=None, request=request)
    route = request.resolver_match.route if request.resolver_match else ""
    words = ("Internal Server Error: %s request=%s", route, request_id)
    report_logger.error(*words, exc_info=error, extra={"status_code": 500})
    code, sentence = error_of_status(500)
    return Response(envelope(code, sentence, request=request), status=500)


def find_status(kind: type[exceptions.JobsError]) -> int | None:
    """Return the status for an error of this app: that of its code, or of the nearest base class whose code has one.

    A host's subclass counts as its base class in ``jobs``: its own ``code`` may equal one of the API's by accident.
    """
    codes = [base.code for base in kind.__mro__ if base in OURS]
    return next((STATUSES[code] for code in codes if code in STATUSES), None)


def _answer_jobs_error(error: exceptions.JobsError, request: HttpRequest, view: Any) -> Response | None:
    status = find_status(type(error))
    if status is None or status == 500:
        return None
    headers = {"Retry-After": str(getattr(error, "retry_after", 1))} if status in (429, 503) else {}
    if isinstance(error, exceptions.OutcomeUnknown):
        # A client that repeats the request without reading first may create the same job twice.
        del headers["Retry-After"]
        logger.warning("The database was lost at a commit: request=%s", request_id_of(request))
    elif status == 503:
        logger.warning("Answered %s to request=%s", error.code, request_id_of(request))
    sentence = f"{_name_of(error)}: {error.problem}" if isinstance(error, exceptions.InvalidField) else str(error)
    body = envelope(error.code, sentence, request=request, details=_details_of(error, view))
    return Response(body, status=status, headers=headers)


def _details_of(error: exceptions.JobsError, view: Any) -> dict[str, Any] | None:
    if isinstance(error, exceptions.InvalidField):
        every = [{"field": _name_of(one), "code": one.code, "error": one.problem} for one in (error, *error.further)]
        return {"field": _name_of(error), "errors": every}
    if isinstance(error, exceptions.ActiveJobExists):
        return {"job": JobSerializer(error.job, context={"project": view.project}).data}
    if isinstance(error, exceptions.BatchConflict):
        return {"conflicts": [_presented(conflict) for conflict in error.conflicts]}
    return None


def _name_of(error: exceptions.InvalidField) -> str:
    """Return the public name of the field."""
    name = error.field if isinstance(error, UnknownField) else WIRE_NAMES.get(error.field, error.field)
    return f"{error.place}.{name}" if error.place else name


def _presented(conflict: exceptions.Conflict) -> dict[str, int]:
    if conflict.job_id is not None:
        return {"index": conflict.index, "jobId": conflict.job_id}
    return {"index": conflict.index, "sameAs": cast("int", conflict.same_as)}


def _answer_database_error(error: DjangoDatabaseError, request: HttpRequest) -> Response | None:
    seconds = SECONDS_TO_RETRY.get(kind_of(error))
    if seconds is None:
        return None
    # The error's text is not logged: it may contain values of rows.
    logger.warning(
        "The database could not serve a request: %s request=%s", type(error).__name__, request_id_of(request)
    )
    code, sentence = error_of_status(503)
    body = envelope(code, sentence, request=request)
    return Response(body, status=503, headers={"Retry-After": str(seconds)})


def _headers_of(error: Exception) -> dict[str, str]:
    """Return the headers that REST framework keeps as attributes of its exceptions."""
    headers = {}
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = str(cast("Any", error).auth_header)
    if getattr(error, "wait", None):
        headers["Retry-After"] = str(cast("Any", error).wait)
    return headers


def _status_of(error: Exception) -> int | None:
    if isinstance(error, Http404):
        return 404
    if isinstance(error, PermissionDenied):
        return 403
    return error.status_code if isinstance(error, APIException) else None
