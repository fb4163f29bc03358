"""Cursors: where a walk through the list stands. To callers they are opaque and may change their form."""

import base64
import binascii
import re
import zlib
from datetime import timedelta
from typing import Final

from ..exceptions import InvalidField
from ..models import BIGGEST_ID
from ..services.search.api_query import Position
from .serializers import EPOCH

VERSION: Final = "1"
LONGEST: Final = 200
MICROSECOND: Final = timedelta(microseconds=1)

BROKEN: Final = "is not a cursor that a Link header gave; start again with an empty one"
_PARTS: Final = re.compile(rb"1\.(-?[A-Za-z]+)\.(-?[0-9]{1,18})?\.([0-9]{1,19})\.[0-9a-f]{8}")


def write_cursor(place: Position, *, sort: str) -> str:
    """Return the cursor for what lies behind ``place`` in the order ``sort``.

    It holds a version, the order, the place and a check sum: no secret, and nothing
    that the project's own key could not ask for anyway, so it is not signed.
    """
    start = "" if place.start_at is None else str((place.start_at - EPOCH) // MICROSECOND)
    text = f"{VERSION}.{sort}.{start}.{place.job_id}"
    return base64.urlsafe_b64encode(f"{text}.{zlib.crc32(text.encode()):08x}".encode()).decode().rstrip("=")


def read_cursor(cursor: str, *, sort: str, by_start: bool) -> Position:
    """Return the place that a cursor names.

    Raises:
        InvalidField: it was not made by :func:`write_cursor`, or for another order.
    """
    match = _PARTS.fullmatch(_decoded(cursor))
    if match is None:
        raise InvalidField("cursor", BROKEN)
    made_for, start, job_id = match.groups()
    if made_for.decode() != sort:
        raise InvalidField("cursor", "is of a walk with another sort; keep the sort, or start with an empty cursor")
    try:
        place = Position(job_id=int(job_id), start_at=EPOCH + int(start) * MICROSECOND if start else None)
    except OverflowError:
        raise InvalidField("cursor", BROKEN) from None
    # Whatever else would decode to the same is refused: one place, one cursor.
    known = 0 < place.job_id <= BIGGEST_ID and by_start is (place.start_at is not None)
    if not known or write_cursor(place, sort=sort) != cursor:
        raise InvalidField("cursor", BROKEN)
    return place


def _decoded(cursor: str) -> bytes:
    if len(cursor) > LONGEST:
        return b""
    try:
        return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except (binascii.Error, ValueError):  # the latter for a character that is not ASCII
        return b""
