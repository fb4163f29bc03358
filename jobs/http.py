"""The body of an error answer, the id of a request, and JSON: what the API and ``JsonErrors`` share."""

import json
import re
from typing import Any, Final
from uuid import uuid4

from django.http import HttpRequest

from .error_codes import BY_STATUS, ERROR_CODES
from .logging import ID_OF_REQUEST

REQUEST_ID_HEADER: Final = "X-Request-Id"
JSON: Final = "application/json"

# The attribute that marks the responses of this app's views.
IS_OURS: Final = "_jobs_answer"

_WELL_FORMED: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")


def envelope(code: str, error: str, *, request_id: str, details: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the body of an error.

    ``error`` is for people, ``code`` for programs, ``requestId`` for our logs; ``details`` has facts
    for programs and is present only with some codes.
    """
    body = {"error": error, "code": code, "requestId": request_id}
    return body if details is None else {**body, "details": details}


def error_of_status(status: int) -> tuple[str, str]:
    """Return code and sentence of an error of which only the HTTP status is known."""
    code = BY_STATUS.get(status) or BY_STATUS[400 if status < 500 else 500]
    return code, ERROR_CODES[code].sentence


def request_id_of(request: HttpRequest) -> str:
    """Return the id of this request: the caller's ``X-Request-Id`` if it is well formed, else a random one.

    Well formed are 1 to 128 of the characters A-Z, a-z, 0-9, ``.``, ``_`` and ``-``: safe in logs and headers.
    """
    request_id = getattr(request, ID_OF_REQUEST, None)
    if request_id is None:
        sent = str(request.META.get("HTTP_X_REQUEST_ID", ""))
        request_id = sent if _WELL_FORMED.fullmatch(sent) else uuid4().hex
        setattr(request, ID_OF_REQUEST, request_id)
    return str(request_id)


def to_bytes(body: Any) -> bytes:
    r"""Return compact JSON in UTF-8, members in their order.

    A lone surrogate, which UTF-8 cannot encode, becomes JSON's escape ``\udxxx``.

    Raises:
        ValueError: a number is not finite.
    """
    text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode(errors="backslashreplace")
