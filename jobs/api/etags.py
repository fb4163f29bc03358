"""Entity tags and polling hints of one job: ``ETag``, ``If-None-Match``, ``Retry-After``."""

import hashlib
import re
from datetime import datetime
from math import ceil
from typing import Any, Final

from django.http import HttpResponseBase, HttpResponseNotModified
from django.utils.http import parse_etags
from rest_framework.request import Request
from rest_framework.response import Response

from ..http import to_bytes
from ..models import Job
from ..status import Status

_SUFFIX: Final = re.compile(r'[-;:]{1,2}(?:gzip|br|zstd|deflate|0)"$')

# For a running job, and the longest hint for a waiting one, which may be cancelled at any time.
SOON_SECONDS: Final = 3
LATE_SECONDS: Final = 60

# The caller may store this answer, but must revalidate it before each use; the `no-store` of all others would forbid
# what a 304 refers to. Each revalidation reaches us, with a key; `private` excludes caches that several callers
# share. (RFC 9111 §5.2.2.4, §5.2.2.7)
CACHE_CONTROL: Final = "private, no-cache"


def conditional_response(job: Job, body: dict[str, Any], *, now: datetime, request: Request) -> HttpResponseBase:
    """Answer with ``body``, which shows ``job`` at ``now``, the database's time; 304 if the caller has it already.

    The entity tag is weak, so that a proxy that compresses the body may keep it. It is computed from
    the whole body, with what was included. No member of the body is relative to now, so that the tag
    changes only with the content.
    """
    etag = etag_of(to_bytes(body))
    answer: HttpResponseBase
    if is_known(etag, str(request.META.get("HTTP_IF_NONE_MATCH", ""))):
        answer = HttpResponseNotModified()
    else:
        answer = Response(body)
    answer.headers["ETag"] = etag
    answer.headers["Cache-Control"] = CACHE_CONTROL
    seconds = seconds_to_next_poll(job, now=now)
    if seconds is not None:
        answer.headers["Retry-After"] = str(seconds)
    return answer


def etag_of(body: bytes) -> str:
    """Return the weak entity tag of a body; 128 bits, so that no two bodies of a job ever share one."""
    return f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'


def is_known(etag: str, if_none_match: str) -> bool:
    """Whether the field ``If-None-Match`` names ``etag``; members of the field that are no entity tags are skipped.

    Source: RFC 9110 §13.1.2 and §8.8.3.2 (weak comparison).
    """
    if not if_none_match:
        return False
    known = parse_etags(if_none_match)
    return known == ["*"] or _opaque(etag) in map(_opaque, known)


def _opaque(tag: str) -> str:
    """Return the tag without its weakness and what a server that compressed the body has added.

    Apache adds ``-gzip``, Jetty ``--gzip``, HTTP caches such as Caddy's ``-zstd`` and IIS ``:0``; inside the quotes.
    """
    return _SUFFIX.sub('"', tag.removeprefix("W/"))


def seconds_to_next_poll(job: Job, *, now: datetime) -> int | None:
    """Return after how many seconds it may be worth to ask for ``job`` again; None: it has ended."""
    if Status(job.status).is_final:
        return None
    if job.status == Status.RUNNING:
        return SOON_SECONDS
    if job.is_held:
        return LATE_SECONDS
    return min(max(ceil((job.due_at - now).total_seconds()), SOON_SECONDS), LATE_SECONDS)
