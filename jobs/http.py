"""The body of an error answer, the id of a request, where the API is, and JSON: what it and ``JsonErrors`` share."""

import json
import re
from contextlib import suppress
from typing import Any, Final, cast
from urllib.parse import quote
from uuid import uuid4

from django.http import HttpRequest
from django.urls import URLResolver, get_resolver

from .error_codes import BY_STATUS, ERROR_CODES
from .logging import ID_OF_REQUEST

try:
    import orjson
except ImportError:  # an extra
    orjson = None  # type: ignore[assignment]

REQUEST_ID_HEADER: Final = "X-Request-Id"
JSON: Final = "application/json"
API_URLS: Final = "jobs.api.urls"

# The attribute of a request that has its URLconf, its path, and what `find_api_path` returned for them.
_FOUND_PATH: Final = "_jobs_api_path"

# The attribute that marks the responses of this app's views.
IS_OURS: Final = "_jobs_answer"

_WELL_FORMED: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")


def envelope(code: str, error: str, *, request: HttpRequest, details: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the body of an error.

    ``error`` is for people, ``code`` for programs, ``requestId`` for our logs. ``docs`` is the path of the
    code's entry on the documentation page, for a host that includes ``jobs.api.urls``: a path, as the host's
    name may be what is wrong. ``details`` has facts for programs and is present only with some codes.
    """
    body: dict[str, Any] = {"error": error, "code": code, "requestId": request_id_of(request)}
    mounted = find_api_path(request)
    if mounted is not None:
        body["docs"] = f"{mounted}docs#error-{code}"
    return body if details is None else {**body, "details": details}


def find_api_path(request: HttpRequest) -> str | None:
    """Return the percent-encoded path below which this request's URLconf mounts the API, such as ``/public/``.

    None: the request's path is not below it.
    """
    urlconf, path = getattr(request, "urlconf", None), request.path_info
    known = getattr(request, _FOUND_PATH, None)
    if known is None or known[:2] != (urlconf, path):  # a middleware may choose another URLconf
        rest = _rest_below_api(get_resolver(urlconf), path)
        found = None if rest is None else quote(request.path[: len(request.path) - len(rest)])
        known = (urlconf, path, found)
        setattr(request, _FOUND_PATH, known)
    return cast("str | None", known[2])


def is_api(resolver: URLResolver) -> bool:
    """Whether this is an ``include("jobs.api.urls")``."""
    return getattr(resolver.urlconf_module, "__name__", "") == API_URLS


def _rest_below_api(resolver: URLResolver, path: str) -> str | None:
    match = resolver.pattern.match(path)
    if not match:
        return None
    rest = str(match[0])
    if is_api(resolver):
        return rest
    for child in resolver.url_patterns:
        found = _rest_below_api(child, rest) if isinstance(child, URLResolver) else None
        if found is not None:
            return found
    return None


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
    r"""Return compact JSON in UTF-8, members in their order; the bytes are the same with and without orjson.

    A lone surrogate, which UTF-8 cannot encode, becomes JSON's escape ``\udxxx``. No answer has floats,
    which the two write differently.
    """
    if orjson is not None:
        with suppress(TypeError):  # a lone surrogate, or an integer beyond 64 bits
            return orjson.dumps(body)
    text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode(errors="backslashreplace")
