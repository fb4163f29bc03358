"""Requests that their sender may repeat: each names itself by a key, and creates its jobs once."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import models

from ...exceptions import IdempotencyKeyReused
from ...models import Job


@dataclass(frozen=True, kw_only=True)
class IdempotentRequest:
    """One such request, as the jobs that it creates remember it; nothing that was sent can be read from it."""

    digest: str
    """64 hex digits: SHA-256 over who calls (of an API key, its id) and the idempotency key."""
    body: str
    """64 hex digits: HMAC-SHA-256 of what was sent."""


@dataclass(frozen=True, kw_only=True)
class Scheduled:
    """The jobs of a request, in the order asked for; ``replayed``: an earlier one had created them."""

    jobs: Sequence[Job]
    replayed: bool = False


def identify_request(idempotency_key: str, *, caller: str, endpoint: str, body: bytes) -> IdempotentRequest:
    """Return the call that a request is, from the key it names itself by and what it sends where.

    The body has personal data in it that could be guessed. The fingerprint is keyed by what is not
    stored, so that whoever reads it cannot try guesses.
    """
    digest = hashlib.sha256(f"{caller}:{idempotency_key}".encode()).hexdigest()
    sent = f"{endpoint}\n".encode() + body
    return IdempotentRequest(digest=digest, body=hmac.digest(idempotency_key.encode(), sent, "sha256").hex())


def find_replay(call: IdempotentRequest | None, *, project: models.Model) -> Scheduled | None:
    """Return the jobs that this call has created, as they now stand; None: none, or it is no call.

    Jobs that were deleted since are missing.

    Raises:
        IdempotencyKeyReused: the key came with another body, or to another endpoint.
    """
    if call is None:
        return None
    jobs = list(Job.objects.in_project(project).filter(call_digest=call.digest).order_by("call_index"))
    if any(not hmac.compare_digest(str(job.call_body), call.body) for job in jobs):
        raise IdempotencyKeyReused
    return Scheduled(jobs=jobs, replayed=True) if jobs else None
