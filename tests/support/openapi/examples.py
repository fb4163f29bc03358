"""Examples of requests and answers; those of the public documentation word for word."""

from typing import Any, Final

from jobs.error_codes import ERROR_CODES
from jobs.exceptions import NothingFound, PlanChanged
from jobs.middleware import HTTPS_REQUIRED

SCHEDULED: Final[dict[str, Any]] = {
    "jobId": 3451,
    "description": "Delete user sessions of userId = shekar@example.com",
    "status": "scheduled",
    "projectId": 1,
    "action": "delete_user_data",
    "referenceId": "shekar@example.com",
    "createdAt": 1623912955277,
    "updatedAt": None,
    "startAt": 1623954600000,
    "errors": None,
}
CANCELLED: Final[dict[str, Any]] = {
    **SCHEDULED,
    "jobId": 3452,
    "description": "Delete user sessions of userId = mehdi@example.com",
    "status": "cancelled",
    "referenceId": "mehdi@example.com",
    "createdAt": 1623912962910,
    "updatedAt": 1623913015276,
}
# In 2100: whoever sends an example as it is has years to cancel the job.
EXAMPLE_START: Final = 4_102_444_800_000
NEW_JOB: Final[dict[str, Any]] = {
    "action": "delete_user_data",
    "referenceId": "shekar@example.com",
    "startAt": EXAMPLE_START,
}
FAR: Final[dict[str, Any]] = {**SCHEDULED, "startAt": EXAMPLE_START}
WAITING: Final[dict[str, Any]] = {
    **SCHEDULED,
    "progress": {
        "done": 0,
        "total": None,
        "at": None,
        "attempt": 0,
        "waitingFor": {"what": "startTime", "until": 1623954600000},
    },
    "receipt": {"stores": {}, "verifiedAt": None},
    "events": [
        {
            "at": 1623912955277,
            "what": "scheduled",
            "from": None,
            "to": "scheduled",
            "attempt": 0,
            "by": "key jsk_3fG7a2Qx",
            "note": None,
        }
    ],
    "eventsCut": False,
    "attempts": [],
    "attemptsCut": False,
}
PREVIEW: Final[dict[str, Any]] = {
    "plan": "5b1f0e6c2f4d4c0e9a7b3d8f1c2e4a60",
    "foundNothing": False,
    "wouldFail": False,
    "stores": [
        {"store": "events", "what": "erased", "because": "", "rows": 299, "atLeast": False},
        {"store": "invoices", "what": "kept", "because": "Tax law: ten years", "rows": 7, "atLeast": False},
        {"store": "sessions", "what": "erased", "because": "", "rows": 200, "atLeast": False},
    ],
}
KEY: Final[dict[str, Any]] = {
    "organization": "Acme",
    "keyPrefix": "jsk_3fG7a2Qx",
    "name": "CI",
    "scopes": ["read", "create", "cancel"],
    "project": None,
    "expiresAt": None,
}

EXAMPLES: Final[dict[tuple[str, int], dict[str, Any]]] = {
    ("listJobs", 200): {"List all jobs": {"data": [SCHEDULED, CANCELLED]}},
    ("createJob", 201): {"Create a job": {"data": FAR}},
    ("createJob", 200): {"The active job": {"data": SCHEDULED}},
    ("previewJob", 200): {"Preview a job": {"data": PREVIEW}},
    ("createJobs", 201): {"Create many jobs": {"data": [FAR]}},
    ("getJob", 200): {"Get job details": {"data": SCHEDULED}, "With everything included": {"data": WAITING}},
    ("cancelJob", 200): {"Cancel job": {"data": CANCELLED}},
    ("eraseUser", 200): {"Erase a user": {"data": SCHEDULED}},
    ("getKey", 200): {"The key": {"data": KEY}},
}
"""By the id of the operation and the status; each with a name."""

BODIES: Final[dict[str, dict[str, Any]]] = {
    "createJob": {"new_job": NEW_JOB},
    "previewJob": {"new_job": NEW_JOB},
    "createJobs": {"new_jobs": {"jobs": [NEW_JOB, {**NEW_JOB, "referenceId": "mehdi@example.com"}]}},
}
"""By the id of the operation; each is a component of this name."""

IN_SECONDS: Final = "seems to be in seconds; in milliseconds since 1970-01-01 UTC it is 1796662800000"
UNKNOWN_ACTION: Final = "is not an action known here; known are: delete_user_data"
SENTENCES: Final = {
    "https_required": HTTPS_REQUIRED,
    "too_slow": "the answer would take too long: narrow the filters",
    "too_many_waiting": "more than 1,000,000 jobs of this organization wait already, and none was created",
    "invalid_field": f"startAt: {IN_SECONDS}",
    "unknown_action": f"action: {UNKNOWN_ACTION}",
    "transition_refused": "the requested job has already been cancelled",
    "missing_scope": "this API key lacks the scope 'create'",
    "project_not_found": "project not found",
    "job_not_found": "job not found",
    "plan_changed": str(PlanChanged()),
    "nothing_found": str(NothingFound(found=0, at_least=1)),
    "active_job_exists": "job 3451 of this action for the same reference is already scheduled",
    "batch_conflict": "2 of the 3 jobs are there already, or twice in this batch; none was created",
    "idempotency_key_reused": "this Idempotency-Key came with another request before; use a new one for each request",
    "busy": "the job is busy and nothing was changed; try again in 1 s",
    "concurrent_change": "another transaction changed the job first; roll back and repeat the transaction",
    "outcome_unknown": "the database was lost while the change was being saved; "
    "look whether it was made before you try again",
}
"""What an error with this code may say, where the table of codes has no sentence."""

DETAILS: Final[dict[str, Any]] = {
    "invalid_field": {
        "field": "startAt",
        "errors": [{"field": "startAt", "code": "invalid_field", "error": IN_SECONDS}],
    },
    "unknown_action": {
        "field": "action",
        "errors": [{"field": "action", "code": "unknown_action", "error": UNKNOWN_ACTION}],
    },
    "active_job_exists": {"job": SCHEDULED},
    "batch_conflict": {"conflicts": [{"index": 1, "jobId": 3452}, {"index": 2, "sameAs": 0}]},
}


def error_example(code: str) -> dict[str, Any]:
    """Return an error with this code, as the API below ``/public/`` answers it."""
    body = {
        "error": ERROR_CODES[code].sentence or SENTENCES[code],
        "code": code,
        "requestId": "7d1f0c6e4b1a4f5f9a55f1a7f3b0c2de",
        "docs": f"/public/docs#error-{code}",
    }
    return {**body, "details": DETAILS[code]} if code in DETAILS else body
