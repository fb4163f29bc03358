"""``Idempotency-Key`` and ``ifExists`` of requests that create jobs."""

import re
from collections.abc import Mapping
from typing import Any, Final, cast

from django.http import HttpRequest
from rest_framework.request import Request

from ..exceptions import InvalidField
from ..services.commands.idempotency import IdempotentRequest, Scheduled, identify_request
from .authentication import Caller
from .parsing import parse_object, read_body

IDEMPOTENCY_KEY: Final = "Idempotency-Key"

# A string of structured fields (RFC 9651 §3.3.3), as the draft says, or the bare characters, as most clients send it.
# A comma is not allowed: servers join repeated headers by it.
_QUOTED: Final = re.compile(r'"((?:[!#-\[\]-~]|\\["\\])*)"')
_BARE: Final = re.compile(r"[!#-+\--\[\]-~]+")
_ESCAPE: Final = re.compile(r"\\(.)")
_LONGEST: Final = 255


def read_idempotency_key(request: HttpRequest) -> str | None:
    """Return the value of ``Idempotency-Key``; None: there is no such header.

    Source: draft-ietf-httpapi-idempotency-key-header-07, §2.1.

    Raises:
        InvalidField: the value is malformed.
    """
    sent = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if sent is None:
        return None
    quoted = _QUOTED.fullmatch(sent.strip(" \t"))
    bare = _BARE.fullmatch(sent.strip(" \t"))
    key = _ESCAPE.sub(r"\1", quoted[1]) if quoted else bare[0] if bare else ""
    if not 1 <= len(key) <= _LONGEST:
        raise InvalidField(
            IDEMPOTENCY_KEY,
            f'must be one string of 1 to {_LONGEST} visible ASCII characters in quotes, e.g. "8e03978e-40d5"; '
            "the quotes may be left out where it has no quote, backslash or comma",
        )
    return key


def read_idempotent_body(
    request: Request, *, endpoint: str, max_bytes: int
) -> tuple[dict[str, Any], IdempotentRequest | None]:
    """Return the object in the body, and what identifies the request; None: it has no ``Idempotency-Key``.

    Raises:
        InvalidField, HttpError: as :func:`read_idempotency_key`, ``read_body`` and ``parse_object``.
    """
    key = read_idempotency_key(request)
    body = read_body(request, max_bytes=max_bytes)
    sent = parse_object(body)
    return sent, identify(request, key, endpoint=endpoint, sent=sent, body=body)


def identify(
    request: Request, key: str | None, *, endpoint: str, sent: dict[str, Any], body: bytes = b""
) -> IdempotentRequest | None:
    """Return what identifies the request with this ``Idempotency-Key``; None: it has none."""
    if key is None:
        return None
    caller = cast("Caller", request.auth).identity
    return identify_request(key, caller=caller, endpoint=endpoint, sent=sent, body=body)


def replay_headers(scheduled: Scheduled) -> dict[str, str]:
    """Return the headers that mark a replay."""
    return {"Idempotent-Replayed": "true"} if scheduled.replayed else {}


def wants_existing(query: Mapping[str, list[str]]) -> bool:
    """Whether the caller wants an active job that prevents a new one as the answer: ``ifExists=return``.

    Raises:
        InvalidField: ``ifExists`` has another value.
    """
    if "ifExists" not in query:
        return False
    if query["ifExists"] != ["return"]:
        raise InvalidField("ifExists", "must be 'return', once, or be left out")
    return True
