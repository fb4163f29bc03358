"""The middleware ``JsonErrors``: turns errors from outside the API's views into the API's JSON errors."""

import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, cast
from urllib.parse import urlsplit

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLResolver

from .http import (
    IS_OURS,
    JSON,
    REQUEST_ID_HEADER,
    envelope,
    error_of_status,
    find_api_path,
    is_api,
    request_id_of,
    to_bytes,
)
from .logging import request_id_in_logs

logger = logging.getLogger(__name__)

API_NAMESPACE: Final = "jobs_api"

HTTPS_REQUIRED: Final = (
    "this API answers over HTTPS only; the key of this request was sent in the clear: replace it, and use https://"
)

# Headers that describe the body that is replaced.
BODY_HEADERS: Final = frozenset(
    {"content-type", "content-length", "content-encoding", "content-language", "content-disposition"}
    | {"etag", "last-modified", "location"}
)


class JsonErrors:
    """Below the API's prefix, turn errors from outside our views into JSON, and set ``X-Request-Id``.

    These errors are a refused ``Host``, an unknown path, a 500, Django's own 400 and 413, and two redirects: that
    of ``APPEND_SLASH`` becomes a 404, that of ``SECURE_SSL_REDIRECT`` a 403, because clients turn a redirected POST
    into a GET and send the key in the clear again (draft-ietf-httpapi-privacy-06). Put it first in
    ``MIDDLEWARE``, so that it sees the answers of the others. Answers outside the prefix of ``jobs.api.urls``, and
    of the host's own views below it, stay as they are. Works under WSGI and ASGI.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Answer the request."""
        if self.is_async:
            return self._answer_async(request)
        with _request_id_in_logs(request):
            return _finish(request, self.get_response(request))

    async def _answer_async(self, request: HttpRequest) -> HttpResponseBase:
        with _request_id_in_logs(request):
            return _finish(request, await self.get_response(request))


def _request_id_in_logs(request: HttpRequest) -> AbstractContextManager[None]:
    return request_id_in_logs(request_id_of(request)) if find_api_path(request) else nullcontext()


def mounts_api(resolver: URLResolver) -> bool:
    """Whether this URLconf mounts the API, below any prefix."""
    if is_api(resolver):
        return True
    return any(mounts_api(child) for child in resolver.url_patterns if isinstance(child, URLResolver))


def _finish(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    if not find_api_path(request):
        return response
    error = _foreign_error(request, response)
    if error:
        response = _replace(request, response, *error)
    if response.status_code == 304:
        # Django's CommonMiddleware sets 0, but it would have to be the length of a 200's body (RFC 9110 §8.6).
        response.headers.pop("Content-Length", None)
    response.headers[REQUEST_ID_HEADER] = request_id_of(request)
    return response


def _foreign_error(request: HttpRequest, response: HttpResponseBase) -> tuple[int, str, str] | None:
    """Return status, code and sentence of the JSON error; None: the response stays as it is."""
    if getattr(response, IS_OURS, False):
        return None
    reached = request.resolver_match
    if reached is not None and API_NAMESPACE not in reached.app_names:
        return None
    if response.status_code >= 400:
        return response.status_code, *error_of_status(response.status_code)
    if reached is None and _only_leads_to_https(request, response):
        return 403, "https_required", HTTPS_REQUIRED
    return (404, *error_of_status(404)) if reached is None and _only_adds_slash(request, response) else None


def _only_leads_to_https(request: HttpRequest, response: HttpResponseBase) -> bool:
    """Whether this redirects a program that came over plain HTTP to HTTPS, as ``SecurityMiddleware`` does.

    A browser on the way to a page, which has no key, is redirected as everywhere.
    """
    if "HTTP_AUTHORIZATION" not in request.META and "text/html" in request.META.get("HTTP_ACCEPT", ""):
        return False
    is_redirect = 300 <= response.status_code < 400 and not request.is_secure()
    return is_redirect and response.headers.get("Location", "").startswith("https://")


def _only_adds_slash(request: HttpRequest, response: HttpResponseBase) -> bool:
    """Whether this redirects to the same path with a slash, which no path of the API has."""
    if request.path.endswith("/") or not 300 <= response.status_code < 400:
        return False
    target = urlsplit(response.headers.get("Location", ""))
    with_slash = urlsplit(request.get_full_path(force_append_slash=True))
    return (target.path, target.query) == (with_slash.path, with_slash.query)


def _replace(request: HttpRequest, response: HttpResponseBase, status: int, code: str, error: str) -> HttpResponse:
    if status >= 500:
        # Django's own line, which has the traceback, has no request id.
        logger.warning("Answered %s to request=%s", status, request_id_of(request))
    body = to_bytes(envelope(code, error, request=request))
    answer = HttpResponse(body, status=status, content_type=JSON)
    for name, value in response.headers.items():
        if name.lower() not in BODY_HEADERS:
            answer.headers[name] = value
    answer.headers["Content-Length"] = str(len(body))
    answer.setdefault("Cache-Control", "private, no-store")  # as our views do
    answer.cookies = response.cookies
    # Django may have logged the replaced answer with its exception; it logs an answer once.
    cast("Any", answer)._has_been_logged = getattr(response, "_has_been_logged", False)
    cast("Any", answer)._resource_closers.extend(cast("Any", response)._resource_closers)
    return answer
