"""What the OpenAPI document says of schemas and their members beyond their types: names, sentences, limits."""

from datetime import UTC, datetime
from typing import Any, Final

from jobs.actions import NAME
from jobs.api.include import WAIT_REASONS
from jobs.api.serializers import EPOCH, MILLISECOND, MOST_SECONDS
from jobs.erasure.declaration import What
from jobs.models import SCOPES, JobEvent
from jobs.services.commands.schedule import LATEST_START, MAX_DESCRIPTION_CHARACTERS, MAX_REFERENCE_BYTES
from jobs.services.commands.schedule_batch import MOST_JOBS
from jobs.services.reports.history import MOST_EVENTS, OUTCOMES, RUNNING
from jobs.services.validation import MOST_REPORTED
from jobs.status import Status

# What the service refuses in an instant that is sent, and in a line of text.
SENT_INSTANT: Final = {"minimum": 0, "maximum": (datetime.max.replace(tzinfo=UTC) - EPOCH) // MILLISECOND} | {
    "not": {"minimum": 1, "maximum": MOST_SECONDS}
}
START_INSTANT: Final = {**SENT_INSTANT, "maximum": int(LATEST_START.timestamp() * 1000)}
LINE: Final = {"pattern": r"^[^\x00-\x1f\x7f-\x9f]+$"}

# Closed lists, and the names of their schemas.
ENUMS: Final[dict[str, list[str]]] = {
    "JobStatus": [status.value for status in Status],
    "WaitReason": [what for what, _ in WAIT_REASONS.values()],
    "StoreOutcome": [what.value for what in What],
    "EventKind": [str(what) for what in JobEvent.What.values],
    "AttemptOutcome": [RUNNING, *OUTCOMES.values()],
    "KeyScope": list(SCOPES),
}

# As our serializers are called, and as a client calls its classes, beside which it has others: Error, Event, Key.
RENAMED: Final = {
    "Attempt": "JobAttempt",
    "Event": "JobEvent",
    "Key": "ApiKey",
    "Preview": "JobPreview",
    "Progress": "JobProgress",
    "Receipt": "JobReceipt",
    "Store": "ReceiptStore",
    "Wait": "JobWait",
}

# In place of docstrings, which are for those who read the code.
SCHEMAS: Final = {
    "ApiError": "Every answer that is not a success.",
    "ApiKey": "An API key as its holder sees it; the key itself is shown once, when it is made.",
    "AttemptOutcome": "How an attempt ended; `lost`: its worker stopped unexpectedly.",
    "ErrorDetails": "Facts for programs; the code says which of them there are.",
    "FieldError": "One thing that is wrong with the request.",
    "EventKind": "What happened to the job.",
    "Job": "A job. Clients must expect further members.",
    "JobAnswer": "One job.",
    "JobAttempt": "One attempt to run a job, and how it ended.",
    "JobConflict": "Why a job of a batch cannot be created: `jobId` or `sameAs` says what is in the way.",
    "JobDetails": "A job, and after its ten members those that `include` asked for.",
    "JobDetailsAnswer": "One job, with the members asked for.",
    "JobEvent": "One change of a job.",
    "JobList": "Jobs; a page past the end is empty.",
    "JobPreview": "What a job would do, store by store in its order.",
    "JobPreviewAnswer": "What a job would do.",
    "JobProgress": "How far a job is.",
    "JobReceipt": "What a job did, by store.",
    "JobStatus": "The status of a job; the last three are final.",
    "JobWait": "Why a job does not run yet.",
    "KeyAnswer": "The key.",
    "KeyScope": "What a key may do.",
    "NewJobRequest": "The job to be created. Other members are refused.",
    "NewJobsRequest": "The jobs to be created: all or none.",
    "ReceiptStore": "How many rows were found, done and left in one store; null: not counted.",
    "StorePreview": "What a job would do in one store.",
    "StoreOutcome": "What an erase map did; `called`: a function of the service ran, at least once; `removed`: files.",
    "WaitReason": "What a job waits for.",
}

INSTANT: Final = "Milliseconds since 1970-01-01 UTC."
MEMBERS: Final[dict[str, dict[str, Any]]] = {
    "ApiError.error": {"description": "For people: what is wrong, and the cure. The wording may change."},
    "ApiError.code": {"description": "For programs: it stays. Codes may be added, so expect others than those listed."},
    "ApiError.requestId": {"description": "Your X-Request-Id if it was well formed, else one made by the service."},
    "ApiError.docs": {"description": "The path of this code's entry in the documentation, below the same host."},
    "ApiKey.keyPrefix": {"description": "The first characters of the key, by which events name it."},
    "ApiKey.project": {
        "description": "The projectKey of the one project that it opens; null: all of the organization."
    },
    "ApiKey.expiresAt": {"description": f"{INSTANT} Null: it does not expire."},
    "ErrorDetails.field": {
        "description": "The parameter, header or member that is wrong, in a batch `jobs[3].action`."
    },
    "ErrorDetails.errors": {
        "description": f"All that is wrong, {MOST_REPORTED} at most; the first is that of `field`.",
        "maxItems": MOST_REPORTED,
    },
    "ErrorDetails.job": {"description": "The job that waits or runs."},
    "ErrorDetails.conflicts": {"description": "All jobs of the batch that cannot be created."},
    "Job.updatedAt": {"description": f"{INSTANT} The last change of the status; null: none yet."},
    "Job.startAt": {"description": f"{INSTANT} The job does not start before."},
    "Job.errors": {"description": "Why the job failed; null otherwise."},
    "Job.referenceId": {"description": "Whom or what the job is about; empty once the job was redacted."},
    "Job.projectId": {"description": "The number of the project, which is not its key."},
    "JobAttempt.attempt": {"description": "Its number; the first is 1."},
    "JobAttempt.endedAt": {"description": f"{INSTANT} Null: it runs."},
    "JobAttempt.error": {"description": "Why it failed or was lost, if that may be shown."},
    "JobConflict.index": {"description": "The place of the job in the batch; the first is 0."},
    "JobConflict.jobId": {"description": "The job for the same reference that waits or runs."},
    "JobConflict.sameAs": {"description": "The place of an earlier job of the batch for the same reference."},
    "JobDetails.events": {"description": f"The newest {MOST_EVENTS}, oldest first.", "maxItems": MOST_EVENTS},
    "JobDetails.eventsCut": {"description": "Whether older events were left out."},
    "JobDetails.attempts": {"description": "Those that began within these events.", "maxItems": MOST_EVENTS},
    "JobDetails.attemptsCut": {"description": "Whether older attempts may have been left out."},
    "JobEvent.from": {"description": "The status before; null: the job was created."},
    "JobEvent.by": {"description": "`key` and the prefix of an API key, or `user`, `staff`, `worker` or `system`."},
    "JobEvent.note": {"description": "A sentence of the service, or the reason that a caller gave."},
    "JobPreview.plan": {"description": "Names what the job would do; for `expect`."},
    "JobPreview.foundNothing": {"description": "Whether there is no row of the reference: perhaps it is mistyped."},
    "JobPreview.wouldFail": {
        "description": "Whether rows of another project are in the way; such a job changes nothing."
    },
    "JobProgress.total": {"description": "How many rows there are in all; null: not known."},
    "JobProgress.at": {"description": f"{INSTANT} When `done` last changed; null: not yet."},
    "JobProgress.attempt": {"description": "The number of the latest attempt; 0: none yet."},
    "JobProgress.waitingFor": {"description": "Why it does not run yet; null: it runs or has ended."},
    "JobReceipt.plan": {"description": "Names what the erase map did; another plan did something else."},
    "JobReceipt.planChanged": {"description": "Whether the plan was another one when the job was created."},
    "JobReceipt.foundNothing": {"description": "Whether there was no row of the reference: perhaps it was mistyped."},
    "JobReceipt.verifiedAt": {"description": f"{INSTANT} When no row was left; null: not verified."},
    "JobWait.until": {"description": f"{INSTANT} With `startTime` and `retry`."},
    "JobWait.since": {"description": f"{INSTANT} With `held`, `disabled`, `paused` and `worker`; null: not known."},
    "NewJobRequest.action": {"pattern": f"^{NAME.pattern}$"},
    "NewJobRequest.referenceId": {
        "description": f"Whom or what the job is about: 1 to {MAX_REFERENCE_BYTES} bytes of UTF-8.",
        "minLength": 1,
        "maxLength": MAX_REFERENCE_BYTES,
        **LINE,
    },
    "NewJobRequest.startAt": {
        "description": f"{INSTANT} An earlier one, or 0, means now; without it, the action says when. "
        "Other values up to 10^11 are refused, as they seem to be in seconds.",
        **START_INSTANT,
    },
    "NewJobRequest.description": {
        "description": "For people; without it, the action's own.",
        "minLength": 1,
        "maxLength": MAX_DESCRIPTION_CHARACTERS,
        **LINE,
    },
    "NewJobRequest.parameters": {"description": "What the action asks for; most actions take none."},
    "NewJobRequest.expect": {"description": "What must still hold of a preview, else 409; not in a batch."},
    "StorePreview.because": {"description": "Why the rows would be kept; else empty."},
    "StorePreview.rows": {
        "description": "How many rows; null: a function of the service would be called, or files removed."
    },
    "StorePreview.atLeast": {"description": "Whether the time for the count ran out: there are `rows` or more."},
    "NewJobsRequest.jobs": {"minItems": 1, "maxItems": MOST_JOBS},
    "ReceiptStore.because": {"description": "Why the rows were kept."},
    "ReceiptStore.what": {"description": "What was done, by an erase map; the stores are in its order."},
    "ReceiptStore.found": {"description": "How many rows there were; null: not counted."},
    "ReceiptStore.left": {"description": "How many rows were left; null: not verified."},
}
"""By schema and member, of a request also its limits."""

# Where not all members of an answer are there always, and in which order the document has them.
REQUIRED: Final = {
    "ApiError": ["error", "code", "requestId", "docs"],
    "ErrorDetails": [],
    "JobConflict": ["index"],
    "JobReceipt": ["stores", "verifiedAt"],
    "JobWait": ["what"],
    "ReceiptStore": ["done", "found", "left"],
}
ORDERED: Final = {"ApiError": ["error", "code", "requestId", "docs", "details"]}

# The service refuses members that it does not know, here alone.
CLOSED: Final = ("NewJobRequest", "NewJobsRequest")
