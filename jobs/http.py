"""What every door says over HTTP in the same way: the form of an error, and the id of a request."""

import json
import re
from typing import Any, Final
from uuid import uuid4

from django.http import HttpRequest

from .logging import ID_OF_REQUEST

REQUEST_ID_HEADER: Final = "X-Request-Id"
JSON: Final = "application/json"

# Set on a response whose body is ours already.
IS_OURS: Final = "_jobs_answer"

# Code and sentence of a status about which nothing more is known.
WORDS: Final[dict[int, tuple[str, str]]] = {
    400: ("bad_request", "the request cannot be understood"),
    401: ("unauthorized", "a valid API key is required: 'Authorization: Bearer {YOUR_ORGANIZATION_API_KEY}'"),
    403: ("forbidden", "this is not allowed"),
    404: ("not_found", "there is nothing at this address"),
    405: ("method_not_allowed", "this method is not allowed here; the header Allow names those that are"),
    411: ("length_required", "a body needs a Content-Length"),
    413: ("payload_too_large", "the body is too large"),
    415: ("unsupported_media_type", "the body must be JSON in UTF-8: 'Content-Type: application/json'"),
    429: ("too_many_requests", "too many requests; try again later"),
    500: ("internal_error", "something went wrong on our side; the requestId helps to find it"),
    503: ("unavailable", "the service cannot answer just now; nothing was changed, try again soon"),
}

_WELL_FORMED: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")


def envelope(code: str, error: str, *, request_id: str, details: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the body of an error.

    ``error`` is for people, ``code`` for programs, ``requestId`` for our logs; ``details``, what
    a program needs to go on, is there only with the codes that have some.
    """
    body = {"error": error, "code": code, "requestId": request_id}
    return body if details is None else {**body, "details": details}


def words_for(status: int) -> tuple[str, str]:
    """Return code and sentence of an error of which only the HTTP status is known."""
    return WORDS.get(status) or WORDS[400 if status < 500 else 500]


def request_id_of(request: HttpRequest) -> str:
    """Return the id of this request: the caller's ``X-Request-Id`` if it is well formed, else one made once.

    Well formed are 1 to 128 of the characters A-Z, a-z, 0-9, ``.``, ``_`` and ``-``: safe in logs and headers.
    """
    known = getattr(request, ID_OF_REQUEST, None)
    if known is None:
        sent = str(request.META.get("HTTP_X_REQUEST_ID", ""))
        known = sent if _WELL_FORMED.fullmatch(sent) else uuid4().hex
        setattr(request, ID_OF_REQUEST, known)
    return str(known)


def to_bytes(body: Any) -> bytes:
    r"""Return compact JSON in UTF-8, members in their order.

    A lone surrogate, which UTF-8 cannot hold, becomes the escape ``\udxxx`` that JSON has for it.

    Raises:
        ValueError: a number is not finite; JSON has no form for it.
    """
    text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode(errors="backslashreplace")
