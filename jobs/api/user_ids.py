"""The user that a path names: taken as it was meant, or not at all. An erasure has no undo."""

import re
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from django.http import HttpRequest

from ..exceptions import InvalidField
from ..services.validation import check_text

MAX_BYTES: Final = 256

# How Django writes a byte that is not UTF-8: as the escape it came as, which an id could contain literally.
_STAND_IN: Final = re.compile(r"%[89A-Fa-f][0-9A-Fa-f]")


def parse_user_id(user_id: str, *, request: HttpRequest) -> str:
    """Return the id in the decoded path, which is the rest of it: slashes belong to it, ``+`` is a plus.

    Raises:
        InvalidField: empty or blank, over 256 bytes, with control characters; with a
            segment that is empty, ``.`` or ``..``, as a proxy that tidies paths would
            make it the id of another user; or sent as bytes that are no UTF-8, which
            servers replace by something else.
    """
    segments = user_id.split("/")
    if not user_id:
        raise InvalidField("userId", "must not be empty")
    if not {"", ".", ".."}.isdisjoint(segments):
        raise InvalidField("userId", "must not start or end with '/', nor contain '//' or a segment '.' or '..'")
    if not _is_as_sent(user_id, request):
        raise InvalidField("userId", "must be UTF-8, every other byte percent-encoded")
    check_text("userId", user_id, max_bytes=MAX_BYTES)
    return user_id


def _is_as_sent(user_id: str, request: HttpRequest) -> bool:
    """Whether ``user_id`` is what the request line said, as far as the server lets us see that line."""
    raw = _raw_path(request)
    if raw is None:
        return "\ufffd" not in user_id and not _STAND_IN.search(user_id)
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
