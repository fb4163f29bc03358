"""gunicorn's logs: a request appears by its route, as path and query may have personal data."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.contrib.admindocs.views import simplify_regex
from django.urls import Resolver404, resolve
from django.utils.module_loading import import_string
from gunicorn.glogging import Logger  # type: ignore[import-untyped]

from jobsite.logs import OneLine

NO_ROUTE: Final = "(no route)"


class RouteLogger(Logger):  # type: ignore[misc]  # gunicorn ships no types
    """Adds ``%(route)s`` to ``access_log_format``; masks the lines of the error log, and writes each as one line."""

    def setup(self, cfg: Any) -> None:
        """Use the formatter and the filters of the site for gunicorn's own lines."""
        super().setup(cfg)
        line = settings.LOGGING["formatters"]["line"]
        for handler in self.error_log.handlers:
            handler.setFormatter(OneLine(line["format"], style=line["style"]))
            for name in settings.LOGGING["handlers"]["stderr"]["filters"]:
                handler.addFilter(import_string(settings.LOGGING["filters"][name]["()"])())

    def atoms(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> dict[str, Any]:
        """Add ``route`` and, in ISO 8601, ``time`` to the values for a line."""
        return {
            **super().atoms(resp, req, environ, request_time),
            "route": route_of(environ.get("PATH_INFO", "")),
            "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }


def route_of(path: str) -> str:
    """Return the URL pattern that ``path`` matches, such as ``/public/<str:project_key>/jobs``.

    ``path`` may be bytes decoded as Latin-1, as in WSGI (PEP 3333), or text, as Django leaves it in the
    environment; both match the same pattern.
    """
    if path.startswith(settings.STATIC_URL):
        return f"{settings.STATIC_URL}…"
    try:
        return simplify_regex(resolve(path).route)
    except Resolver404:
        return NO_ROUTE
