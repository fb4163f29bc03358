"""Answers to HEAD without a body, the site's Content-Security-Policy, and what only pages need.

Django 5.2 has no Content-Security-Policy of its own yet.
"""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.models import AnonymousUser
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse


class ContentSecurityPolicy:
    """Add ``settings.CONTENT_SECURITY_POLICY`` to every response without such a header.

    Source: W3C, Content Security Policy Level 3.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Return the response with the header."""
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", settings.CONTENT_SECURITY_POLICY)
        return response


class HeadWithoutBody:
    """Empty the answers to HEAD; they keep the length of the body that a GET gets (RFC 9110 §9.3.2).

    Django leaves that to the server, and gunicorn logs a warning each time.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Return the response, without its body if that is not wanted."""
        response = self.get_response(request)
        if request.method == "HEAD" and not response.streaming:
            response.headers.setdefault("Content-Length", str(len(response.content)))
            response.content = b""
        return response


class _ForPages:
    """Leaves requests to the API alone: its callers have keys, and neither sessions nor logins nor messages.

    These are some 60 of the Python calls of such a request. CSRF tokens are not among them: a view below the prefix
    that is for browsers stays protected.
    """

    get_response: Callable[[HttpRequest], Any]

    def __call__(self, request: HttpRequest) -> Any:
        """Return the response; under ASGI, what is to be awaited for it."""
        if request.path_info.startswith(f"/{settings.API_PREFIX}"):
            return self.get_response(request)
        return super().__call__(request)  # type: ignore[misc]  # of the class beside this one


class PageSessions(_ForPages, SessionMiddleware):
    """Sessions, for pages."""


class PageLogins(_ForPages, AuthenticationMiddleware):
    """``request.user``, for pages; to the API everybody is anonymous, whatever cookies come along."""

    def __call__(self, request: HttpRequest) -> Any:
        """Return the response; under ASGI, what is to be awaited for it."""
        request.user = AnonymousUser()  # other middleware may ask; a page gets its own in place of this one
        return super().__call__(request)


class PageMessages(_ForPages, MessageMiddleware):
    """Messages, for pages."""
