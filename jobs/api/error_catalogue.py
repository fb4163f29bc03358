"""Every error that the API answers with: its code, what causes it, and the cure; ``docs/errors.md`` shows the same."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One ``code``; ``details`` says what that member holds, empty where there is none."""

    status: int
    cause: str
    cure: str
    details: str = ""


CATALOGUE: Final[dict[str, Entry]] = {
    "bad_request": Entry(
        status=400,
        cause="The request is not such that it could be understood: its Host, its path or its form.",
        cure="Send the address and the headers as documented.",
    ),
    "invalid_field": Entry(
        status=400,
        cause="A parameter, a header or a member of the body has a value that cannot be accepted.",
        cure="Change the field that the message names; it says what would be accepted. Nothing was changed.",
        details="`field`: its name as it was sent",
    ),
    "unknown_action": Entry(
        status=400,
        cause="No action of this name may be asked for.",
        cure="Use an action that the service offers; actions that are not public do not exist for callers.",
        details="`field`: `action`, in a batch `jobs[3].action`",
    ),
    "transition_refused": Entry(
        status=400,
        cause="The job has already ended: it is completed, failed or cancelled, and stays so.",
        cure="None is needed after a cancel; read the job to see how it ended.",
    ),
    "unauthorized": Entry(
        status=401,
        cause="There is no API key, or it is malformed, unknown, expired or revoked, or its organization is disabled.",
        cure="Send `Authorization: Bearer` with a valid key. Which of these it is, is not told.",
    ),
    "forbidden": Entry(
        status=403,
        cause="Something in front of the API does not allow the request.",
        cure="Ask whoever runs the service.",
    ),
    "missing_scope": Entry(
        status=403,
        cause="The key is valid, but lacks the scope that this call needs; the message names it.",
        cure="Use a key with that scope.",
    ),
    "not_found": Entry(
        status=404,
        cause="There is nothing at this address.",
        cure="Check the path: no path ends with a slash.",
    ),
    "project_not_found": Entry(
        status=404,
        cause="The organization of the key has no project under this key, or the API key is bound to another one.",
        cure="Check the project key in the path.",
    ),
    "job_not_found": Entry(
        status=404,
        cause="The project has no job under this id; it may have been deleted after its time.",
        cure="Check the id; list the project's jobs.",
    ),
    "method_not_allowed": Entry(
        status=405,
        cause="The address does not know this method.",
        cure="Use one of those in the header `Allow`.",
    ),
    "active_job_exists": Entry(
        status=409,
        cause="The action is unique and a job for the same reference waits or runs.",
        cure="Follow that job. With `?ifExists=return` it is the answer, with status 200.",
        details="`job`: the job that waits or runs",
    ),
    "batch_conflict": Entry(
        status=409,
        cause="Jobs of a batch are of a unique action and have a job already, or stand in the batch twice.",
        cure="Leave out the jobs that `conflicts` lists and send the rest; nothing was created.",
        details="`conflicts`: for each, `index` and either `jobId` (waits or runs) or `sameAs` (an index before it)",
    ),
    "length_required": Entry(
        status=411,
        cause="The body was sent without its length.",
        cure="Send `Content-Length`.",
    ),
    "payload_too_large": Entry(
        status=413,
        cause="The body is too large; the message says how large it may be.",
        cure="Send less at once.",
    ),
    "unsupported_media_type": Entry(
        status=415,
        cause="The body is not announced as JSON in UTF-8.",
        cure="Send `Content-Type: application/json`.",
    ),
    "idempotency_key_reused": Entry(
        status=422,
        cause="The Idempotency-Key was used before, with another body or at another address.",
        cure="Use a new key for a new request, and the same body for a repetition.",
    ),
    "too_many_requests": Entry(
        status=429,
        cause="The key, or an address with keys that are not valid, has sent too many requests within a minute.",
        cure="Wait for as many seconds as `Retry-After` says; `RateLimit` tells what is left.",
    ),
    "internal_error": Entry(
        status=500,
        cause="Something went wrong on our side.",
        cure="Tell support the `requestId`. Whether anything was changed is not known; read before you repeat.",
    ),
    "busy": Entry(
        status=503,
        cause="A running step of the job, or another request, was in the way for too long. Nothing was changed.",
        cure="Try again after as many seconds as `Retry-After` says.",
    ),
    "concurrent_change": Entry(
        status=503,
        cause="Another transaction changed the same at the same time. Nothing was changed.",
        cure="Try again after as many seconds as `Retry-After` says.",
    ),
    "outcome_unknown": Entry(
        status=503,
        cause="The database was lost while the change was being saved: it was made or it was not.",
        cure="Read before you repeat. A `POST` with an Idempotency-Key can be repeated at once.",
    ),
    "unavailable": Entry(
        status=503,
        cause="The database cannot answer just now. Nothing was changed.",
        cure="Try again after as many seconds as `Retry-After` says.",
    ),
}
