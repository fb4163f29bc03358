"""What a request that creates jobs says beside its body: ``Idempotency-Key`` and ``ifExists``."""

import re
from typing import Final

from django.http import HttpRequest

from ..exceptions import InvalidField
from ..services.commands.idempotency import IdempotentRequest, Scheduled, identify_request
from .parsing import first_of, read_query

IDEMPOTENCY_KEY: Final = "Idempotency-Key"

# A string of structured fields (RFC 9651 §3.3.3), as the draft has it, or the bare characters, as most clients send it.
# Servers join repeated headers by commas.
_QUOTED: Final = re.compile(r'"((?:[!#-\[\]-~]|\\["\\])*)"')
_BARE: Final = re.compile(r"[!#-+\--\[\]-~]+")
_ESCAPE: Final = re.compile(r"\\(.)")
_LONGEST: Final = 255


def read_idempotency_key(request: HttpRequest) -> str | None:
    """Return the key by which this request names itself; None: it has none.

    Source: draft-ietf-httpapi-idempotency-key-header-07, §2.1.

    Raises:
        InvalidField: the header is there, but is no such key.
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


def identify_call(idempotency_key: str | None, *, caller: str, endpoint: str, body: bytes) -> IdempotentRequest | None:
    """Return the call that a request is; None: it has no key and cannot be told from another of the same content."""
    if idempotency_key is None:
        return None
    return identify_request(idempotency_key, caller=caller, endpoint=endpoint, body=body)


def marks_of(scheduled: Scheduled) -> dict[str, str]:
    """Return the headers that tell a replay."""
    return {"Idempotent-Replayed": "true"} if scheduled.replayed else {}


def wants_existing(request: HttpRequest) -> bool:
    """Whether an active job that is in the way is what the caller wants: ``ifExists=return``.

    Raises:
        InvalidField: ``ifExists`` has another value.
    """
    query = read_query(request)
    if "ifExists" not in query:
        return False
    if first_of(query, "ifExists") != "return":
        raise InvalidField("ifExists", "must be 'return', or be left out")
    return True
