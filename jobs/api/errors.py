"""The exception handler of our views: turns errors into HTTP answers by the table ``jobs.error_codes``."""

import logging
from typing import Any, Final, cast

from django.core.exceptions import PermissionDenied
from django.db import Error as DjangoDatabaseError
from django.http import Http404
from rest_framework.exceptions import APIException
from rest_framework.response import Response

from .. import exceptions
from ..db.errors import ErrorKind, kind_of
from ..error_codes import ERROR_CODES, INTERNAL_STATUSES
from ..http import envelope, error_of_status, request_id_of
from .serializers import WIRE_NAMES, JobSerializer

logger = logging.getLogger(__name__)

STATUSES: Final = INTERNAL_STATUSES | {code: entry.status for code, entry in ERROR_CODES.items()}

OURS: Final = {
    kind for kind in vars(exceptions).values() if isinstance(kind, type) and issubclass(kind, exceptions.JobsError)
}

SECONDS_TO_RETRY: Final = {ErrorKind.CONFLICT: 1, ErrorKind.TOO_SLOW: 1, ErrorKind.OUTAGE: 5}
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


def answer_error(error: Exception, context: dict[str, Any]) -> Response | None:
    """Return the answer to an exception of a view; None: the exception is raised again and becomes a 500."""
    request_id = request_id_of(context["request"]._request)
    if isinstance(error, exceptions.JobsError):
        return _answer_jobs_error(error, request_id, context["view"])
    if isinstance(error, DjangoDatabaseError):
        return _answer_database_error(error, request_id)
    if isinstance(error, HttpError):
        body = envelope(error.code, error.error, request_id=request_id)
        return Response(body, status=error.status_code, headers=error.headers)
    status = _status_of(error)
    if status is None:
        return None
    # The exception's text is not used: the framework translates it into the host's language.
    code, sentence = error_of_status(status)
    return Response(envelope(code, sentence, request_id=request_id), status=status, headers=_headers_of(error))


def find_status(kind: type[exceptions.JobsError]) -> int | None:
    """Return the status for an error of this app: that of its code, or of the nearest base class whose code has one.

    A host's subclass counts as its base class in ``jobs``: its own ``code`` may equal one of the API's by accident.
    """
    codes = [base.code for base in kind.__mro__ if base in OURS]
    return next((STATUSES[code] for code in codes if code in STATUSES), None)


def _answer_jobs_error(error: exceptions.JobsError, request_id: str, view: Any) -> Response | None:
    status = find_status(type(error))
    if status is None or status == 500:
        return None
    headers = {"Retry-After": str(getattr(error, "retry_after", 1))} if status == 503 else {}
    if isinstance(error, exceptions.OutcomeUnknown):
        # A client that repeats the request without reading first may create the same job twice.
        del headers["Retry-After"]
        logger.warning("The database was lost at a commit: request=%s", request_id)
    sentence = f"{_name_of(error)}: {error.problem}" if isinstance(error, exceptions.InvalidField) else str(error)
    body = envelope(error.code, sentence, request_id=request_id, details=_details_of(error, view))
    return Response(body, status=status, headers=headers)


def _details_of(error: exceptions.JobsError, view: Any) -> dict[str, Any] | None:
    if isinstance(error, exceptions.InvalidField):
        return {"field": _name_of(error)}
    if isinstance(error, exceptions.ActiveJobExists):
        return {"job": JobSerializer(error.job, context={"project": view.project}).data}
    if isinstance(error, exceptions.BatchConflict):
        return {"conflicts": [_presented(conflict) for conflict in error.conflicts]}
    return None


def _name_of(error: exceptions.InvalidField) -> str:
    """Return the public name of the field."""
    name = WIRE_NAMES.get(error.field, error.field)
    return f"{error.place}.{name}" if error.place else name


def _presented(conflict: exceptions.Conflict) -> dict[str, int]:
    if conflict.job_id is not None:
        return {"index": conflict.index, "jobId": conflict.job_id}
    return {"index": conflict.index, "sameAs": cast("int", conflict.same_as)}


def _answer_database_error(error: DjangoDatabaseError, request_id: str) -> Response | None:
    seconds = SECONDS_TO_RETRY.get(kind_of(error))
    if seconds is None:
        return None
    # The error's text is not logged: it may contain values of rows.
    logger.warning("The database could not serve a request: %s request=%s", type(error).__name__, request_id)
    code, sentence = error_of_status(503)
    body = envelope(code, sentence, request_id=request_id)
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
