"""Cursors of the list: the position after which the next page begins, opaque to callers; their form may change."""

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


def write_cursor(position: Position, *, sort: str) -> str:
    """Return the cursor of the page after ``position`` in the order ``sort``.

    It holds a version, the order, the position and a checksum. It is not signed: it has no secret,
    and nothing that the project's own key could not ask for anyway.
    """
    start = "" if position.start_at is None else str((position.start_at - EPOCH) // MICROSECOND)
    text = f"{VERSION}.{sort}.{start}.{position.job_id}"
    return base64.urlsafe_b64encode(f"{text}.{zlib.crc32(text.encode()):08x}".encode()).decode().rstrip("=")


def read_cursor(cursor: str, *, sort: str, by_start: bool) -> Position:
    """Return the position that a cursor names.

    Raises:
        InvalidField: :func:`write_cursor` did not make it, or made it for another order.
    """
    match = _PARTS.fullmatch(_decode(cursor))
    if match is None:
        raise InvalidField("cursor", BROKEN)
    made_for, start, job_id = match.groups()
    if made_for.decode() != sort:
        raise InvalidField("cursor", "is of a walk with another sort; keep the sort, or start with an empty cursor")
    try:
        position = Position(job_id=int(job_id), start_at=EPOCH + int(start) * MICROSECOND if start else None)
    except OverflowError:
        raise InvalidField("cursor", BROKEN) from None
    is_possible = 0 < position.job_id <= BIGGEST_ID and by_start is (position.start_at is not None)
    # Other texts may decode to the same position; only one is its cursor.
    if not is_possible or write_cursor(position, sort=sort) != cursor:
        raise InvalidField("cursor", BROKEN)
    return position


def _decode(cursor: str) -> bytes:
    if len(cursor) > LONGEST:
        return b""
    try:
        return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except (binascii.Error, ValueError):  # ValueError: a character that is not ASCII
        return b""
