"""Following one job to its end: what need not be sent again, and when to ask next."""

import hashlib
import re
from datetime import datetime
from math import ceil
from typing import Any, Final

from django.http import HttpRequest, HttpResponseBase, HttpResponseNotModified
from rest_framework.response import Response

from ..http import to_bytes
from ..models import Job
from ..status import Status

# While something may change at any moment, and the longest that is worth waiting blindly: a cancel comes unannounced.
SOON_SECONDS: Final = 3
LATE_SECONDS: Final = 60

# The caller may keep this answer, but has to ask before each use: `no-store`, which all others have, would leave it
# nothing that a 304 could speak of. Every such question is one to us, with a key; `private` keeps it from caches that
# several callers share. (RFC 9111 §5.2.2.4, §5.2.2.7)
CACHE_CONTROL: Final = "private, no-cache"

_TAG: Final = r'(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"'
_TAGS: Final = re.compile(_TAG)
_LIST: Final = re.compile(rf"[ \t,]*{_TAG}(?:[ \t]*,[ \t,]*{_TAG})*[ \t,]*")


def answer_followed(job: Job, body: dict[str, Any], *, now: datetime, request: HttpRequest) -> HttpResponseBase:
    """Answer with ``body``, which tells of ``job`` at ``now``, the database's time; 304 if the caller has it already.

    The entity tag is weak, as whoever compresses the body on its way may keep it. It is made of
    the whole body, with what was included; no member counts from now, so that it lasts until
    there is something new to read.
    """
    etag = etag_of(to_bytes(body))
    answer: HttpResponseBase
    if is_known(etag, str(request.META.get("HTTP_IF_NONE_MATCH", ""))):
        answer = HttpResponseNotModified()
    else:
        answer = Response(body)
    answer.headers["ETag"] = etag
    answer.headers["Cache-Control"] = CACHE_CONTROL
    seconds = seconds_to_next_look(job, now=now)
    if seconds is not None:
        answer.headers["Retry-After"] = str(seconds)
    return answer


def etag_of(body: bytes) -> str:
    """Return the weak entity tag of a body; 128 bits, so that no two bodies of a job ever share one."""
    return f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'


def is_known(etag: str, if_none_match: str) -> bool:
    """Whether the field ``If-None-Match`` names ``etag``, by weak comparison; a malformed field names nothing.

    Source: RFC 9110 §13.1.2 and §8.8.3; lists with empty elements are well formed (§5.6.1).
    """
    field = if_none_match.strip(" \t")
    if field == "*":
        return True
    return _LIST.fullmatch(field) is not None and _opaque(etag) in _TAGS.findall(field)


def seconds_to_next_look(job: Job, *, now: datetime) -> int | None:
    """Return after how many seconds it may be worth to ask for ``job`` again; None: it has ended."""
    if Status(job.status).is_final:
        return None
    if job.status == Status.RUNNING:
        return SOON_SECONDS
    if job.is_held:
        return LATE_SECONDS
    return min(max(ceil((job.due_at - now).total_seconds()), SOON_SECONDS), LATE_SECONDS)


def _opaque(etag: str) -> str:
    return etag.removeprefix("W/").strip('"')
