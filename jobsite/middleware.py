"""Answers to HEAD without a body, and the site's Content-Security-Policy (Django 5.2 has none of its own yet)."""

from collections.abc import Callable

from django.conf import settings
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
