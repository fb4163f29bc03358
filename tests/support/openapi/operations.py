"""The endpoints in the OpenAPI document: texts, parameters, answers and errors of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from drf_spectacular.utils import OpenApiParameter

from jobs.api.filters import MAX_ACTION_CHARACTERS, SORTS, JobFilters
from jobs.api.include import INCLUDABLE
from jobs.api.pagination import JobPages
from jobs.api.parsing import MAX_USER_ID_BYTES
from jobs.api.serializers import NewJobSerializer
from jobs.error_codes import ERROR_CODES
from jobs.models import SCOPES
from jobs.services.commands.schedule import MAX_REFERENCE_BYTES
from jobs.services.validation import MAX_REASON_CHARACTERS
from jobs.status import Status
from tests.support.openapi.answers import BATCH, DETAILS, JOB, JOBS, KEY, PREVIEW
from tests.support.openapi.members import LINE, SENT_INSTANT, START_INSTANT

IN_PATH: Final = OpenApiParameter.PATH
IN_HEADER: Final = OpenApiParameter.HEADER

# The errors of every call with a key.
ALWAYS: Final = tuple(
    "https_required unauthorized missing_scope project_not_found too_many_requests internal_error".split()
)
ALWAYS_AND_UNAVAILABLE: Final = (*ALWAYS, "unavailable", "too_slow")
OF_A_CHANGE: Final = ("busy", "concurrent_change", "outcome_unknown")
OF_A_BODY: Final = ("invalid_field", "unknown_action", "length_required", "payload_too_large", "unsupported_media_type")

OF_CREATING: Final = (*ALWAYS_AND_UNAVAILABLE, *OF_A_BODY, "idempotency_key_reused", "too_many_waiting", *OF_A_CHANGE)


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One endpoint: ``success`` is status, body and sentence; ``errors`` are codes of ``ERROR_CODES``."""

    id: str
    summary: str
    description: str
    success: Sequence[tuple[int, Any, str]]
    errors: Sequence[str]
    scope: str = ""
    parameters: Sequence[OpenApiParameter] = ()
    request: Any = None
    tag: str = "Jobs"

    def __post_init__(self) -> None:
        if self.scope and self.scope not in SCOPES:
            raise ValueError(f"{self.id} needs a scope that no key has: {self.scope}")

    def codes(self, status: int) -> list[str]:
        """Return the codes of the errors with this status."""
        return [code for code in self.errors if ERROR_CODES[code].status == status]


def query(name: str, kind: Any, description: str, **further: Any) -> OpenApiParameter:
    return OpenApiParameter(name, kind, OpenApiParameter.QUERY, description=description, **further)


# Parameters of the path are named as the routes name them; the generator turns them into the public spelling.
PROJECT_KEY: Final = OpenApiParameter(
    "project_key", str, IN_PATH, description="The key of one of the organization's projects."
)
JOB_ID: Final = OpenApiParameter("job_id", int, IN_PATH, description="The job ID.")
# Without an example, as those of other parameters are filled in by pages that try calls.
USER_ID: Final = OpenApiParameter(
    "user_id",
    {"type": "string", "minLength": 1, "maxLength": MAX_USER_ID_BYTES, **LINE},
    IN_PATH,
    description=f"The user, percent-encoded: 1 to {MAX_USER_ID_BYTES} bytes of UTF-8; slashes belong to it.",
)
REQUEST_ID: Final = OpenApiParameter(
    "X-Request-Id",
    str,
    IN_HEADER,
    description="Yours, to find the request in logs and events; made here if absent or not well formed.",
)

LIMIT: Final = query(
    "limit",
    {"type": "integer", "minimum": 1, "maximum": JobPages.max_page_size, "default": JobPages.page_size},
    f"Page size, 1-{JobPages.max_page_size} (default: {JobPages.page_size}). Values outside the range fall back to it.",
)
PAGE: Final = query(
    "page",
    {"type": "integer", "minimum": 1, "default": 1},
    "Page number, starts at 1 (default: 1). Values < 1 fall back to 1.",
)
STATUSES: Final = [status.value for status in Status]
KINDS: Final[dict[str, Any]] = {
    "status": {"type": "array", "items": {"type": "string", "enum": STATUSES}},
    "action": {"type": "string", "minLength": 1, "maxLength": MAX_ACTION_CHARACTERS, **LINE},
    "referenceId": {"type": "string", "minLength": 1, "maxLength": MAX_REFERENCE_BYTES, **LINE},
}
FILTERS: Final = tuple(
    query(name, KINDS.get(name, {"type": "integer", **SENT_INSTANT}), found.extra["help_text"])
    for name, found in JobFilters.base_filters.items()
)
SORT: Final = query("sort", str, "The order; default: -jobId, the newest first.", enum=list(SORTS))
CURSOR: Final = query(
    "cursor", str, "Empty: start a walk over all; then follow the link `next`. `page` does not count beside it."
)
INCLUDE: Final = query(
    "include",
    {"type": "array", "items": {"type": "string", "enum": list(INCLUDABLE)}},
    "Members to add after the ten; repeat it for several, or separate them by commas.",
)
IF_NONE_MATCH: Final = OpenApiParameter(
    "If-None-Match", str, IN_HEADER, description="Entity tags of answers that you have: 304 if one is still right."
)
REASON: Final = query(
    "reason",
    {"type": "string", "minLength": 1, "maxLength": MAX_REASON_CHARACTERS, **LINE},
    "Why; kept in the job's events, which all keys of the organization can read: no personal data.",
)


def header_of(
    status: int | list[int], name: str, kind: Any, description: str, *, required: bool = True
) -> OpenApiParameter:
    """Describe a header of the answers with this status; the headers of all answers are in ``headers``."""
    statuses = [status] if isinstance(status, int) else status
    return OpenApiParameter(name, kind, IN_HEADER, response=statuses, description=description, required=required)


IF_EXISTS: Final = query(
    "ifExists", str, "`return`: answer 200 with the active job of a unique action instead of 409.", enum=["return"]
)
START_AT: Final = query(
    "startAt",
    {"type": "integer", **START_INSTANT},
    "When: milliseconds since 1970-01-01 UTC; 0: now. Without it, when the action says.",
)
IDEMPOTENCY_KEY: Final = OpenApiParameter(
    "Idempotency-Key",
    {
        "type": "string",
        "pattern": r'^("([!#-\[\]-~]|\\["\\]){1,255}"|[!#-+\--\[\]-~]{1,255})$',
    },
    IN_HEADER,
    description="1 to 255 visible ASCII characters, best a random UUID: the same key and body never create twice.",
)
REPLAYED, ERASE_REPLAYED = (
    header_of(
        status,
        "Idempotent-Replayed",
        {"type": "string", "enum": ["true"]},
        "An earlier request with this key created the jobs; absent otherwise.",
        required=False,
    )
    for status in (201, 200)
)
LOCATION, ERASE_LOCATION = (header_of(status, "Location", str, "The path of the job.") for status in (201, 200))
CREATED: Final = header_of(
    200,
    "Job-Created",
    {"type": "string", "enum": ["true", "false"]},
    "Whether this request created the job; `false`: it was there.",
)
LINK: Final = header_of(
    200,
    "Link",
    str,
    "`first`, and `prev` and `next` where there is such a page; relative to the address asked for (RFC 8288).",
)
ETAG: Final = header_of([200, 304], "ETag", str, "The entity tag of this answer; weak.")
ASK_AGAIN: Final = header_of(
    [200, 304],
    "Retry-After",
    {"type": "integer", "minimum": 1},
    "Seconds after which to ask again; absent once the job has ended.",
    required=False,
)


OPERATIONS: Final[dict[tuple[str, str], Operation]] = {
    ("GET", "/{projectKey}/jobs"): Operation(
        id="listJobs",
        summary="List all jobs",
        description="Retrieve the jobs of a project, including completed and cancelled ones, newest first. Paginated.",
        scope="read",
        parameters=(LIMIT, PAGE, *FILTERS, SORT, CURSOR, LINK),
        success=[(200, JOBS, "A page of jobs.")],
        errors=(*ALWAYS_AND_UNAVAILABLE, "invalid_field", "busy"),
    ),
    ("POST", "/{projectKey}/jobs"): Operation(
        id="createJob",
        summary="Create a job",
        description="Ask for work. With the answer the job is durable and will be run.",
        scope="create",
        parameters=(IF_EXISTS, IDEMPOTENCY_KEY, LOCATION, REPLAYED),
        request=NewJobSerializer,
        success=[(201, JOB, "The new job."), (200, JOB, "With `ifExists=return`: the active job.")],
        errors=(*OF_CREATING, "active_job_exists", "plan_changed", "nothing_found"),
    ),
    ("POST", "/{projectKey}/jobs/preview"): Operation(
        id="previewJob",
        summary="Preview a job",
        description="Ask what a job that erases would do, with the same body; nothing is created or changed.",
        scope="create",
        request=NewJobSerializer,
        success=[(200, PREVIEW, "What the job would do now.")],
        errors=(*ALWAYS_AND_UNAVAILABLE, *OF_A_BODY, "busy"),
    ),
    ("POST", "/{projectKey}/jobs/batch"): Operation(
        id="createJobs",
        summary="Create many jobs",
        description="Ask for 1 to 1,000 jobs, all or none.",
        scope="create",
        parameters=(IDEMPOTENCY_KEY, REPLAYED),
        request=BATCH,
        success=[(201, JOBS, "The new jobs, in the order sent.")],
        errors=(*OF_CREATING, "batch_conflict"),
    ),
    ("GET", "/{projectKey}/jobs/{jobId}"): Operation(
        id="getJob",
        summary="Get job details",
        description="Return the job's status and metadata.",
        scope="read",
        parameters=(JOB_ID, INCLUDE, IF_NONE_MATCH, ETAG, ASK_AGAIN),
        success=[(200, DETAILS, "The job."), (304, None, "You have it already.")],
        errors=(*ALWAYS_AND_UNAVAILABLE, "invalid_field", "job_not_found"),
    ),
    ("DELETE", "/{projectKey}/jobs/{jobId}"): Operation(
        id="cancelJob",
        summary="Cancel job",
        description="Cancel a job that hasn't started or is still in progress. After a 200 it does nothing more.",
        scope="cancel",
        parameters=(JOB_ID, REASON),
        success=[(200, JOB, "The cancelled job.")],
        errors=(
            *ALWAYS_AND_UNAVAILABLE,
            *"invalid_field transition_refused job_not_found busy outcome_unknown".split(),
        ),
    ),
    ("DELETE", "/{projectKey}/users/{userId}"): Operation(
        id="eraseUser",
        summary="Erase a user",
        description="Ask for the erasure of all that is kept about a user.",
        tag="Users",
        scope="create",
        parameters=(
            *(USER_ID, IF_EXISTS, START_AT, IDEMPOTENCY_KEY),
            *(ERASE_LOCATION, ERASE_REPLAYED, CREATED),
        ),
        success=[(200, JOB, "The job that will erase the user.")],
        errors=(
            *ALWAYS_AND_UNAVAILABLE,
            *"invalid_field active_job_exists idempotency_key_reused too_many_waiting".split(),
            *OF_A_CHANGE,
        ),
    ),
    ("GET", "/me"): Operation(
        id="getKey",
        summary="What this key is",
        description="Return what the key is and may do. Any valid key may ask.",
        tag="Keys",
        success=[(200, KEY, "The key.")],
        errors=[code for code in ALWAYS_AND_UNAVAILABLE if code not in ("missing_scope", "project_not_found")],
    ),
}
