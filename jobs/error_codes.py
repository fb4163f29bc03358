"""The table of error codes: the HTTP status, cause and cure of every error that the API answers with.

Made from it are the statuses of answers (``jobs.api.errors``), the OpenAPI document and the table in
``docs/errors.md``; ``make openapi`` writes the last two.

The sentence in an answer's ``error`` is built

- by the exception, for an error of ``jobs.exceptions``; for a 409 that is ``ActiveJobExists`` or ``BatchConflict``;
- by whoever raises ``jobs.api.errors.HttpError`` with a sentence: ``jobs.api.permissions``, ``jobs.api.parsing``;
- from ``sentence`` below, where nothing but the status is known.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class ErrorCode:
    """What one ``code`` means; ``details`` says what that member of the answer holds, empty if there is none."""

    status: int
    cause: str
    cure: str
    details: str = ""
    sentence: str = ""


ERROR_CODES: Final[dict[str, ErrorCode]] = {
    "bad_request": ErrorCode(
        status=400,
        sentence="the request cannot be understood",
        cause="The Host header, the path or the form of the request is invalid.",
        cure="Send the address and the headers as documented.",
    ),
    "invalid_field": ErrorCode(
        status=400,
        cause="A parameter, a header or a member of the body has a value that cannot be accepted.",
        cure="Change the field that the message names; it says what would be accepted. Nothing was changed.",
        details="`field`: its name as it was sent; `errors`: all that is wrong, each with `field`, `code` and `error`",
    ),
    "unknown_action": ErrorCode(
        status=400,
        cause="No action of this name may be asked for.",
        cure="Use an action that the message names; those that are not public do not exist for callers.",
        details="`field`: `action`, in a batch `jobs[3].action`; `errors` as above",
    ),
    "transition_refused": ErrorCode(
        status=400,
        cause="The job has already ended: it is completed, failed or cancelled, and stays so.",
        cure="Read the job to see how it ended. There is nothing left to cancel.",
    ),
    "unauthorized": ErrorCode(
        status=401,
        sentence="a valid API key is required: 'Authorization: Bearer {YOUR_ORGANIZATION_API_KEY}'",
        cause="There is no API key, or it is malformed, unknown, expired or revoked, or its organization is disabled.",
        cure="Send `Authorization: Bearer` with a valid key. The answer does not say which of these applies.",
    ),
    "forbidden": ErrorCode(
        status=403,
        sentence="this is not allowed",
        cause="Something in front of the API does not allow the request.",
        cure="Ask whoever runs the service.",
    ),
    "https_required": ErrorCode(
        status=403,
        cause="The request came over plain HTTP. Nothing was executed, and the key was not read.",
        cure="Use `https://`. Replace the key: whoever was on the way could read it.",
    ),
    "missing_scope": ErrorCode(
        status=403,
        cause="The key is valid, but lacks the scope that this call needs; the message names it.",
        cure="Use a key with that scope.",
    ),
    "not_found": ErrorCode(
        status=404,
        sentence="there is nothing at this address",
        cause="There is nothing at this address.",
        cure="Check the path: no path ends with a slash.",
    ),
    "project_not_found": ErrorCode(
        status=404,
        cause="The organization of the key has no project under this key, or the API key is bound to another one.",
        cure="Check the project key in the path.",
    ),
    "job_not_found": ErrorCode(
        status=404,
        cause="The project has no job under this id; it may have been deleted after its time.",
        cure="Check the id; list the project's jobs.",
    ),
    "method_not_allowed": ErrorCode(
        status=405,
        sentence="this method is not allowed here; the header Allow names those that are",
        cause="The address does not know this method.",
        cure="Use one of those in the header `Allow`.",
    ),
    "active_job_exists": ErrorCode(
        status=409,
        cause="The action is unique and a job for the same reference waits or runs.",
        cure="Follow that job, which keeps its `startAt`. With `?ifExists=return` it is the answer, with status 200.",
        details="`job`: the job that waits or runs",
    ),
    "batch_conflict": ErrorCode(
        status=409,
        cause="For a job of a unique action, a job for the same reference waits or runs, or is in the batch as well.",
        cure="Leave out the jobs that `conflicts` lists and send the rest; nothing was created.",
        details="`conflicts`: for each, `index` and either `jobId` (waits or runs) or `sameAs` (an index before it)",
    ),
    "plan_changed": ErrorCode(
        status=409,
        cause="The job would follow another plan than the one that `expect` names: the service was changed.",
        cure="Preview the erase again, and send the new plan if it is right; nothing was created.",
    ),
    "nothing_found": ErrorCode(
        status=409,
        cause="There are fewer rows of the reference than `expect` demands: perhaps it is mistyped.",
        cure="Check the reference; nothing was created.",
    ),
    "length_required": ErrorCode(
        status=411,
        sentence="a body needs a Content-Length",
        cause="The body was sent without its length.",
        cure="Send `Content-Length`.",
    ),
    "payload_too_large": ErrorCode(
        status=413,
        sentence="the body is too large",
        cause="The body is too large; the message says how large it may be.",
        cure="Send less at once.",
    ),
    "unsupported_media_type": ErrorCode(
        status=415,
        sentence="the body must be JSON in UTF-8: 'Content-Type: application/json'",
        cause="The body is not announced as JSON in UTF-8.",
        cure="Send `Content-Type: application/json`.",
    ),
    "idempotency_key_reused": ErrorCode(
        status=422,
        cause="The Idempotency-Key was used before, with another query or body, or at another address.",
        cure="Use a new key for a new request, and the same body for a repetition.",
    ),
    "too_many_requests": ErrorCode(
        status=429,
        sentence="too many requests; try again later",
        cause="The key has sent too many requests or asked for too many jobs within a minute, or an address has sent "
        "too many keys that are not valid. Nothing was changed.",
        cure="Wait for as many seconds as `Retry-After` says; `RateLimit` tells what is left, and of what.",
    ),
    "too_many_waiting": ErrorCode(
        status=429,
        cause="As many jobs of the organization wait as the service allows. Nothing was created.",
        cure="Cancel those that are not needed, or wait until some have run; then send the request again.",
    ),
    "internal_error": ErrorCode(
        status=500,
        sentence="something went wrong on our side; the requestId helps to find it",
        cause="Something went wrong on our side.",
        cure="Tell support the `requestId`. Whether anything was changed is not known; read before you repeat.",
    ),
    "busy": ErrorCode(
        status=503,
        cause="An open chunk of the job, or another request, was in the way for too long; or several searches or "
        "batches of the organization, or cancels of the job, are under way. Nothing was changed.",
        cure="Try again after as many seconds as `Retry-After` says.",
    ),
    "concurrent_change": ErrorCode(
        status=503,
        cause="Another transaction changed the same at the same time. Nothing was changed.",
        cure="Try again after as many seconds as `Retry-After` says.",
    ),
    "too_slow": ErrorCode(
        status=503,
        cause="The database needs longer for the answer than one request may take. Nothing was changed.",
        cure="Narrow the filters; for pages far down, follow `cursor`. Or try again after `Retry-After`.",
    ),
    "outcome_unknown": ErrorCode(
        status=503,
        cause="The database was lost while the change was being saved: it was made or it was not.",
        cure="A request that reads, cancels or has an Idempotency-Key can be repeated at once; else read first. "
        "There is no `Retry-After`.",
    ),
    "unavailable": ErrorCode(
        status=503,
        sentence="the service cannot answer just now; nothing was changed, try again soon",
        cause="The database cannot answer just now. Nothing was changed.",
        cure="Try again after as many seconds as `Retry-After` says.",
    ),
}

BY_STATUS: Final = {entry.status: code for code, entry in ERROR_CODES.items() if entry.sentence}
"""The code of an error of which only the status is known."""

INTERNAL_STATUSES: Final = {
    "api_key_not_found": 404,
    "step_refused": 409,
    "rows_left": 500,
    "files_left": 500,
    "roles_unavailable": 500,
    "action_misused": 500,
    "job_failed": 500,
}
"""The statuses of errors that no endpoint raises; they are not documented. 500: Django logs and signals them."""
