"""Filters for the host's log handlers.

``MaskReferences`` keeps users' ids, which are often e-mail addresses, and reasons out of the logs;
``RequestId`` says of each line to which request it belongs.
"""

import copy
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

MASK: Final = "***"
NO_REQUEST: Final = "-"

# Under which a request keeps its id.
ID_OF_REQUEST: Final = "_jobs_request_id"

_request_id: Final[ContextVar[str]] = ContextVar("jobs_request_id", default=NO_REQUEST)


def _spelled(word: str) -> str:
    """Return a pattern for ``word`` in a path, each of its characters as it is or percent-encoded."""
    return "".join(f"(?:{character}|%{ord(character):02x})" for character in word)


# A path ends with its line, or in an access log before the protocol; ids may hold blanks and quotes.
_REFERENCE: Final = re.compile(f"({_spelled('/users/')}).+?(?= HTTP/[0-9]|$)", re.IGNORECASE | re.DOTALL)

# Parameters of a query that may hold personal data, also where we do not read them.
PARAMETERS: Final = ("reason", "referenceId")
_NAMES: Final = "|".join(map(_spelled, PARAMETERS))
# Also where the text is the query alone, as servers offer it to their access logs.
_PARAMETER: Final = re.compile(f"((?:^|[?&])(?:{_NAMES})=)[^&]+?(?=&| HTTP/[0-9]|$)", re.IGNORECASE | re.DOTALL)


def mask(text: str) -> str:
    """Return ``text`` with ``***`` for what follows ``/users/``, and for the values of ``PARAMETERS`` in a query.

    Both to the end of the text or to the `` HTTP/…`` of an access log; the value ends at ``&`` as well.
    """
    return _PARAMETER.sub(rf"\1{MASK}", _REFERENCE.sub(rf"\1{MASK}", text))


class MaskReferences(logging.Filter):
    """Mask the user's id of ``/{projectKey}/users/{userId}`` and ``PARAMETERS`` of queries; it lets all records pass.

    Django's logger ``django.request`` writes the path of each refused request, servers
    write that of every one. Put it on the handlers::

        LOGGING = {
            "filters": {"mask": {"()": "jobs.logging.MaskReferences"}},
            "handlers": {"console": {"class": "logging.StreamHandler", "filters": ["mask"]}},
            …
        }

    It masks the message and its arguments, whatever the app that wrote them, and takes
    the request off a record whose path or query it had to mask: handlers that mail or send whole
    requests would tell the rest. It does not reach tracebacks, or the logs of a proxy.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record in place; return True."""
        if isinstance(record.msg, str):
            record.msg = mask(record.msg)
        if record.args:
            record.args = _masked_arguments(record.args)
        request = getattr(record, "request", None)
        query = getattr(request, "META", {}).get("QUERY_STRING", "")
        if any(isinstance(part, str) and mask(part) != part for part in (getattr(request, "path", ""), query)):
            record.__dict__["request"] = None
        return True


@contextmanager
def request_id_in_logs(request_id: str) -> Iterator[None]:
    """Let ``RequestId`` name ``request_id`` in this thread or task, and in what these wait for."""
    token = _request_id.set(request_id)
    try:
        yield
    finally:
        _request_id.reset(token)


class RequestId(logging.Filter):
    """Add ``request_id`` to every record, for the handler's format; it lets all records pass.

    It is the ``requestId`` and ``X-Request-Id`` of the answer while a request below the
    API is served, which needs the middleware ``jobs.middleware.JsonErrors``; else ``-``.
    Put it on the handlers before ``MaskReferences``, which takes requests off records::

        LOGGING = {
            "filters": {"request_id": {"()": "jobs.logging.RequestId"}, "mask": {"()": "jobs.logging.MaskReferences"}},
            "formatters": {"line": {"format": "%(asctime)s %(levelname)s request=%(request_id)s %(message)s"}},
            "handlers": {
                "console": {
                    "class": "logging.StreamHandler", "filters": ["request_id", "mask"], "formatter": "line",
                },
            },
            …
        }
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record in place; return True."""
        # Django tells of a refused request after the last middleware is done with it.
        told = getattr(getattr(record, "request", None), ID_OF_REQUEST, NO_REQUEST)
        current = _request_id.get()
        # What another handler's filter has found stays: the request may have been taken off since.
        known = getattr(record, "request_id", NO_REQUEST)
        record.request_id = next((found for found in (current, told) if found != NO_REQUEST), known)
        return True


def _masked_arguments(arguments: Any) -> Any:
    if isinstance(arguments, Mapping):
        # A copy of its own class: gunicorn's answers also for keys that it does not have.
        masked: Any = copy.copy(arguments)
        for key, value in arguments.items():
            if isinstance(value, str):
                masked[key] = mask(value)
        return masked
    return tuple(mask(value) if isinstance(value, str) else value for value in arguments)
