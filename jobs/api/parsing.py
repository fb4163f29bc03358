"""Strict parsing of requests: integers, query strings, JSON bodies, the user id in a path."""

import json
import re
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import IO, Any, Final, cast
from urllib.parse import parse_qs, unquote_to_bytes

from django.http import HttpRequest, UnreadablePostError
from django.utils.http import parse_header_parameters
from rest_framework import serializers
from rest_framework.parsers import BaseParser

from ..exceptions import InvalidField
from ..http import JSON
from ..services.validation import MOST_REPORTED, check_text, find_meant, quoted, raise_first, unknown_name
from .errors import HttpError
from .serializers import Milliseconds

MAX_BODY_BYTES: Final = 64 * 1024
MAX_BATCH_BYTES: Final = 1024 * 1024
MAX_NESTING: Final = 32
# The most digits of a float; the time to parse a number grows with the square of its digits.
MAX_DIGITS: Final = 309
BEYOND_BIGINT: Final = 10**19

_INTEGER: Final = re.compile(r"([+-]?)([0-9]+)")
_MARKS: Final = re.compile(r'\\.|["\[\]{}]', re.DOTALL)


def parse_integer(text: str) -> int | None:
    """Return ``text`` as an integer if all of it is ASCII digits with an optional sign; else None.

    ``int()`` accepts far more: blanks, underscores, digits of other scripts. A number beyond a
    database's bigint is returned as ±10^19.
    """
    match = _INTEGER.fullmatch(text)
    if match is None:
        return None
    sign, digits = match[1], match[2].lstrip("0") or "0"
    size = int(digits) if len(digits) <= 19 else BEYOND_BIGINT
    return -size if sign == "-" else size


def parse_job_id(text: str) -> int:
    """Return a job's id, which may be one that cannot exist.

    Raises:
        InvalidField: it is no integer.
    """
    number = parse_integer(text)
    if number is None:
        raise InvalidField("jobId", "must be an integer")
    return number


def parse_instant(name: str, text: str) -> datetime:
    """Return the instant that the parameter ``name`` tells in milliseconds since 1970-01-01 UTC.

    Raises:
        InvalidField: it is no integer, seems to be in seconds, or is no instant.
    """
    try:
        return Milliseconds().to_internal_value(parse_integer(text))
    except serializers.ValidationError as refused:
        raise InvalidField(name, str(cast("list[Any]", refused.detail)[0])) from None


def parse_start(query: Mapping[str, list[str]]) -> datetime | None:
    """Return the parameter ``startAt``; None: there is none.

    Raises:
        InvalidField: it has no value or several, or as in :func:`parse_instant`.
    """
    if "startAt" not in query:
        return None
    if len(query["startAt"]) > 1:
        raise InvalidField("startAt", "must be given once")
    return parse_instant("startAt", query["startAt"][0])


def read_query(request: HttpRequest) -> dict[str, list[str]]:
    """Return the query parameters, each with its values in their order.

    Unlike ``request.GET`` it never fails: neither for many parameters, nor for a ``charset`` in the
    content type, by which Django would decode them.
    """
    raw = str(request.META.get("QUERY_STRING", "")).encode("latin-1", "replace")
    return parse_qs(raw.decode(errors="replace"), keep_blank_values=True)


def read_parameters(
    request: HttpRequest, known: Collection[str], *, ignore_unknown: bool = False
) -> dict[str, list[str]]:
    """Return the query parameters of a call that knows these.

    Raises:
        InvalidField: there is one that is not known; with ``ignore_unknown``, one that differs from a known one only
            in case or in signs: ``created_from``, ``status[]``.
    """
    query = read_query(request)
    unknown = [name for name in query if name not in known and (not ignore_unknown or find_meant(name, known))]
    raise_first([unknown_name(name, known) for name in unknown[:MOST_REPORTED]])
    return query


def refuse_body(request: HttpRequest) -> None:
    """Raise InvalidField if there is a body: this call reads none, and what it asks for would have no effect."""
    if request.META.get("CONTENT_LENGTH") not in (None, "", "0") or request.META.get("HTTP_TRANSFER_ENCODING"):
        raise InvalidField("body", "is not read by this call; send parameters in the query")


def first_value(query: Mapping[str, list[str]], name: str) -> str:
    """Return the first value of a parameter; empty if it is absent."""
    return query.get(name, [""])[0]


def parse_reason(query: Mapping[str, list[str]]) -> str:
    """Return the ``reason`` of a cancel, empty if none was sent; the service checks it further.

    Raises:
        InvalidField: it was sent, and is empty.
    """
    if "reason" in query and not query["reason"][0]:
        raise InvalidField("reason", "must not be blank")
    return first_value(query, "reason")


class StrictJsonParser(BaseParser):
    """Parses JSON with :func:`parse_object`."""

    media_type = JSON

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        return parse_object(stream.read(MAX_BODY_BYTES + 1))


def read_body(request: HttpRequest, *, max_bytes: int) -> bytes:
    """Return the body, not parsed; see :func:`parse_object`.

    Raises:
        HttpError: 415, its type is not JSON; 413, it is too large; 411, its length is unknown, which servers do
            not pass on.
        InvalidField: it is incomplete.
    """
    _check_content_type(request)
    length = parse_integer(request.META.get("CONTENT_LENGTH") or "")
    if length is not None and length > max_bytes:
        raise _too_large(max_bytes)
    try:
        raw = request.read(max_bytes + 1)
    except (UnreadablePostError, OSError):
        raise InvalidField("body", "could not be read to its end") from None
    if len(raw) > max_bytes:
        raise _too_large(max_bytes)
    if not raw and request.META.get("HTTP_TRANSFER_ENCODING"):
        raise HttpError(411)
    if length is not None and len(raw) < length:
        raise InvalidField("body", "is shorter than its Content-Length")
    return raw


def parse_object(raw: bytes) -> dict[str, Any]:
    """Return ``raw`` as a JSON object (RFC 8259), in time proportional to its length.

    Raises:
        InvalidField: it is not UTF-8, starts with a byte order mark, is not JSON or no object, has a key twice, NaN,
            Infinity, a number beyond a float's range, or is nested deeper than 32.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise InvalidField("body", "must be UTF-8") from None
    if text.startswith("\ufeff"):
        raise InvalidField("body", "must not start with a byte order mark")
    _check_nesting(text)
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise InvalidField("body", f"is not JSON, see line {error.lineno} column {error.colno}") from None
    if not isinstance(value, dict):
        raise InvalidField("body", "must be a JSON object")
    return value


def _check_content_type(request: HttpRequest) -> None:
    kind, parameters = parse_header_parameters(str(request.META.get("CONTENT_TYPE", "")))
    if kind.lower() != JSON or parameters.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise HttpError(415)


def _too_large(max_bytes: int) -> HttpError:
    return HttpError(413, error=f"the body must be at most {max_bytes} bytes")


def _check_nesting(text: str) -> None:
    depth = 0
    in_string = False
    for match in _MARKS.finditer(text):
        mark = match[0]
        if mark == '"':
            in_string = not in_string
        elif in_string or mark[0] == "\\":
            continue
        else:
            depth += 1 if mark in "[{" else -1
            if depth > MAX_NESTING:
                raise InvalidField("body", f"must not be nested deeper than {MAX_NESTING}")


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for key, value in pairs:
        if key in members:
            raise InvalidField("body", f"has the key {quoted(key)} twice")
        members[key] = value
    return members


def _integer_of(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise InvalidField("body", f"has a number of more than {MAX_DIGITS} digits")
    return int(digits)


def _float_of(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise InvalidField("body", "has a number that is too large")
    return number


def _refuse_constant(name: str) -> Any:
    raise InvalidField("body", f"must not have {name}, which JSON does not know")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object_of, parse_int=_integer_of, parse_float=_float_of, parse_constant=_refuse_constant
)


MAX_USER_ID_BYTES: Final = 256
# Django keeps a byte that is not UTF-8 as its percent escape, which an id could also contain literally.
_ESCAPED_BYTE: Final = re.compile(r"%[89A-Fa-f][0-9A-Fa-f]")


def parse_user_id(user_id: str, *, request: HttpRequest) -> str:
    """Return the id, the rest of the decoded path: slashes belong to it, ``+`` is a plus.

    Raises:
        InvalidField: it is empty or blank, over 256 bytes or has control characters; it has a segment that is empty,
            ``.`` or ``..``, which a proxy that normalizes paths would turn into the id of another user; or it was
            sent as bytes that are no UTF-8, which servers replace.
    """
    segments = user_id.split("/")
    if not user_id:
        raise InvalidField("userId", "must not be empty")
    if not {"", ".", ".."}.isdisjoint(segments):
        raise InvalidField("userId", "must not start or end with '/', nor contain '//' or a segment '.' or '..'")
    if not _is_as_sent(user_id, request):
        raise InvalidField("userId", "must be UTF-8, every other byte percent-encoded")
    check_text("userId", user_id, max_bytes=MAX_USER_ID_BYTES)
    return user_id


def _is_as_sent(user_id: str, request: HttpRequest) -> bool:
    """Whether the request line had ``user_id``, as far as the server shows that line."""
    raw = _raw_path(request)
    if raw is None:
        return "\ufffd" not in user_id and not _ESCAPED_BYTE.search(user_id)
    try:
        sent = unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        return False
    return sent.endswith(f"/users/{user_id}")


def _raw_path(request: HttpRequest) -> bytes | None:
    """Return the path before decoding: ``raw_path`` of ASGI, ``RAW_URI`` of gunicorn, ``REQUEST_URI`` of others."""
    scope: dict[str, Any] = getattr(request, "scope", {})
    if scope:
        raw = scope.get("raw_path")
        return raw if isinstance(raw, bytes) else None
    uri = request.META.get("RAW_URI") or request.META.get("REQUEST_URI")
    return uri.encode("latin-1", "replace").partition(b"?")[0] if isinstance(uri, str) else None
