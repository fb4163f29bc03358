"""Idempotent requests: each carries a key of its sender's, and creates its jobs once."""

import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import models

from ...exceptions import IdempotencyKeyReused
from ...models import Job


@dataclass(frozen=True, kw_only=True)
class IdempotentRequest:
    """The digests of a request, which its jobs store; neither key nor body can be read from them."""

    digest: str
    """64 hex digits: SHA-256 over the caller (of an API key, its id) and the idempotency key."""
    body: str
    """64 hex digits: HMAC-SHA-256 of the endpoint and what was sent, the members of each object in one order."""
    body_as_sent: str = ""
    """The same of the bytes, which jobs have that were created before the order was made to play no part."""


@dataclass(frozen=True, kw_only=True)
class Scheduled:
    """The jobs of a request, in the order asked for; ``replayed``: an earlier request with the key created them."""

    jobs: Sequence[Job]
    replayed: bool = False


def identify_request(
    idempotency_key: str, *, caller: str, endpoint: str, sent: dict[str, Any], body: bytes = b""
) -> IdempotentRequest:
    """Return what identifies a request that ``sent`` these members, in ``body``.

    The body holds personal data that could be guessed. Its fingerprint is keyed with the idempotency
    key, which is not stored, so that whoever reads the fingerprint cannot test guesses.
    """
    digest = hashlib.sha256(f"{caller}:{idempotency_key}".encode()).hexdigest()
    ordered = json.dumps(sent, sort_keys=True, separators=(",", ":")).encode()
    bodies = [hmac.digest(idempotency_key.encode(), f"{endpoint}\n".encode() + of, "sha256") for of in (ordered, body)]
    return IdempotentRequest(digest=digest, body=bodies[0].hex(), body_as_sent=bodies[1].hex())


def find_replay(request: IdempotentRequest | None, *, project: models.Model) -> Scheduled | None:
    """Return the jobs that this request created before, as they now stand; None: there are none, or no request.

    Jobs that were deleted since are missing.

    Raises:
        IdempotencyKeyReused: the key came with another body, or to another endpoint.
    """
    if request is None:
        return None
    jobs = list(Job.objects.in_project(project).filter(call_digest=request.digest).order_by("call_index"))
    same = (request.body, request.body_as_sent)
    if any(not any(hmac.compare_digest(str(job.call_body), body) for body in same) for job in jobs):
        raise IdempotencyKeyReused
    return Scheduled(jobs=jobs, replayed=True) if jobs else None
