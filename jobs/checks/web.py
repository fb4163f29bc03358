"""Checks of how the host serves the API."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Warning, register
from django.urls import get_resolver
from django.utils.module_loading import import_string

from .. import conf
from ..middleware import JsonErrors, mounts_api


@register("jobs")
def check_middleware(**_: Any) -> list[CheckMessage]:
    """Warn of an API without ``JsonErrors`` (``jobs.W005``); hosts that mount no API need none."""
    urls, middleware = conf.web()
    if not urls or not mounts_api(get_resolver(urls)):
        return []
    if any(_is_ours(path) for path in middleware[: _place_of_security(middleware)]):
        return []
    return [
        Warning(
            "Errors that no view of the API gives – an unknown path, plain HTTP, a refused Host, a 500 – "
            "are redirects or pages of HTML.",
            hint="Put 'jobs.middleware.JsonErrors' first in MIDDLEWARE.",
            id="jobs.W005",
        )
    ]


def _place_of_security(middleware: Sequence[str]) -> int:
    """Return the place of the middleware that redirects to HTTPS before what stands after it sees a request."""
    return next((at for at, path in enumerate(middleware) if path.endswith(".SecurityMiddleware")), len(middleware))


def _is_ours(path: str) -> bool:
    try:
        found = import_string(path)
    except ImportError:  # Django reports it when it loads the middleware
        return False
    return isinstance(found, type) and issubclass(found, JsonErrors)
