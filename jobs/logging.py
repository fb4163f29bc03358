"""What logs and error reports may show.

For hosts: ``MaskReferences`` and ``mask_event`` remove personal data, ``RequestId`` adds the id of the request.
"""

import copy
import logging
import re
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from django.db.utils import Error

MASK: Final = "***"
NO_REQUEST: Final = "-"

# The attribute of a request that has its id.
ID_OF_REQUEST: Final = "_jobs_request_id"

_request_id: Final[ContextVar[str]] = ContextVar("jobs_request_id", default=NO_REQUEST)


def _spelled(word: str) -> str:
    """Return a pattern for ``word`` in a URL, each of its characters as it is or percent-encoded."""
    return "".join(f"(?:{character}|%{ord(character):02x})" for character in word)


# Classes of SQLSTATE whose first line names columns, tables and constraints, and quotes no values.
NAMING: Final = ("23", "42")

# A path ends with its line or, in an access log, before the protocol; ids may have blanks and quotes.
_REFERENCE: Final = re.compile(f"({_spelled('/users/')}).+?(?= HTTP/[0-9]|$)", re.IGNORECASE | re.DOTALL)

# Query parameters that may have personal data, also if the app does not read them; the admin's search is ``q``.
PARAMETERS: Final = ("reason", "referenceId", "q")
_NAMES: Final = "|".join(map(_spelled, PARAMETERS))
# Also if the text is only the query, as servers offer it to their access logs.
_PARAMETER: Final = re.compile(f"((?:^|[?&])(?:{_NAMES})=)[^&]+?(?=&| HTTP/[0-9]|$)", re.IGNORECASE | re.DOTALL)


def mask(text: str) -> str:
    """Return ``text`` with ``***`` in place of what follows ``/users/`` and of the values of ``PARAMETERS``.

    Each ends with the text or before `` HTTP/…`` of an access log; a value ends before ``&``, too.
    """
    return _PARAMETER.sub(rf"\1{MASK}", _REFERENCE.sub(rf"\1{MASK}", text))


class MaskReferences(logging.Filter):
    """Mask the user's id in ``/{projectKey}/users/{userId}`` and the query parameters ``PARAMETERS``.

    User ids are often e-mail addresses. Django's logger ``django.request`` writes the path
    of each refused request, and servers write every path. Every record passes. Put the
    filter on the handlers::

        LOGGING = {
            "filters": {"mask": {"()": "jobs.logging.MaskReferences"}},
            "handlers": {"console": {"class": "logging.StreamHandler", "filters": ["mask"]}},
            …
        }

    It masks the message and its arguments, of any app, and removes the request from a
    record whose path, query or referrer it masks, as some handlers mail or send whole requests. It
    does not mask tracebacks or the logs of a proxy.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record in place; return True."""
        if isinstance(record.msg, str):
            record.msg = mask(record.msg)
        if record.args:
            record.args = _masked_arguments(record.args)
        request = getattr(record, "request", None)
        sent = getattr(request, "META", {})
        places = (getattr(request, "path", ""), sent.get("QUERY_STRING", ""), sent.get("HTTP_REFERER", ""))
        if any(isinstance(part, str) and mask(part) != part for part in places):
            record.__dict__["request"] = None
        return True


def mask_event(event: Any, hint: Any = None) -> Any:
    """Return an event for Sentry, masked as by :func:`mask` and without the request's body; for ``before_send``."""
    event.get("request", {}).pop("data", None)
    return _masked_within(event)


def _masked_within(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _masked_within(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_masked_within(each) for each in value]
    return mask(value) if isinstance(value, str) else value


@contextmanager
def request_id_in_logs(request_id: str) -> Iterator[None]:
    """Let ``RequestId`` add ``request_id`` to what this thread or task logs, and what it waits for."""
    token = _request_id.set(request_id)
    try:
        yield
    finally:
        _request_id.reset(token)


class RequestId(logging.Filter):
    """Add ``request_id`` to every record, for the handler's format. Every record passes.

    While a request to the API is served, it is the ``requestId`` and ``X-Request-Id`` of
    the answer, which needs the middleware ``jobs.middleware.JsonErrors``; otherwise ``-``.
    Put the filter on the handlers before ``MaskReferences``, which removes requests from
    records::

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
        # Django logs a refused request after the last middleware has returned.
        of_request = getattr(getattr(record, "request", None), ID_OF_REQUEST, NO_REQUEST)
        current = _request_id.get()
        # Keep what another handler's filter has found: the request may have been removed since.
        known = getattr(record, "request_id", NO_REQUEST)
        record.request_id = next((found for found in (current, of_request) if found != NO_REQUEST), known)
        return True


def _masked_arguments(arguments: Any) -> Any:
    if isinstance(arguments, Mapping):
        # A copy of the same class: gunicorn's has a value for every key.
        masked: Any = copy.copy(arguments)
        for key, value in arguments.items():
            if isinstance(value, str):
                masked[key] = mask(value)
        return masked
    return tuple(mask(value) if isinstance(value, str) else value for value in arguments)


@contextmanager
def reported_without_values() -> Iterator[None]:
    """Call :func:`remove_values` with an exception that leaves the block."""
    try:
        yield
    except BaseException as error:
        remove_values(error)
        raise


def remove_values(error: BaseException) -> None:
    """Forget the local variables of all functions that the error has left, and what PostgreSQL quotes in its text.

    Reports of an unexpected error (Sentry, Django's mails) show these; an API key or a reference is among them. Also
    of the errors that it came from. Types, places and other texts stay.
    """
    for each in _with_causes(error, set()):
        traceback.clear_frames(each.__traceback__)
        driver = each.__cause__ if isinstance(each, Error) else each
        diagnosis: Any = getattr(driver, "diag", None)  # psycopg's
        state = getattr(diagnosis, "sqlstate", None)
        if state is not None:
            each.args = (f"{diagnosis.message_primary if state[:2] in NAMING else 'SQLSTATE'} [{state}]",)


def _with_causes(error: BaseException | None, seen: set[int]) -> Iterator[BaseException]:
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    yield error
    for further in (error.__cause__, error.__context__, *getattr(error, "exceptions", ())):
        yield from _with_causes(further, seen)
