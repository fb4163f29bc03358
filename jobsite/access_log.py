"""gunicorn's logs: of a request its route alone, as its path and query can name people."""

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
    """Offers ``%(route)s`` to ``access_log_format``; masks and keeps to one line what goes to the error log."""

    def setup(self, cfg: Any) -> None:
        """Give gunicorn's own lines the form, and the filter, of all others."""
        super().setup(cfg)
        line = settings.LOGGING["formatters"]["line"]
        for handler in self.error_log.handlers:
            handler.setFormatter(OneLine(line["format"], style=line["style"]))
            for name in settings.LOGGING["handlers"]["stderr"]["filters"]:
                handler.addFilter(import_string(settings.LOGGING["filters"][name]["()"])())

    def atoms(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> dict[str, Any]:
        """Add ``route`` and, in ISO 8601, ``time`` to what a line can be made of."""
        return {
            **super().atoms(resp, req, environ, request_time),
            "route": route_of(environ.get("PATH_INFO", "")),
            "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }


def route_of(path: str) -> str:
    """Return the URL pattern that ``path`` meets, such as ``/public/<str:project_key>/jobs``.

    ``path`` may be as WSGI has it, bytes in the guise of Latin-1 (PEP 3333), or decoded, as Django
    leaves it behind in the environment; both meet the same pattern.
    """
    if path.startswith(settings.STATIC_URL):
        return f"{settings.STATIC_URL}…"
    try:
        return simplify_regex(resolve(path).route)
    except Resolver404:
        return NO_ROUTE
