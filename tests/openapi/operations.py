"""What the document says of each operation beyond what the serializers tell."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from drf_spectacular.utils import OpenApiParameter

from jobs.api.pagination import DEFAULT_LIMIT, LARGEST_LIMIT
from jobs.api.serializers import NewJobSerializer
from jobs.models import SCOPES
from jobs.status import Status
from tests.openapi.answers import JOB, JOBS

IN_PATH: Final = OpenApiParameter.PATH
IN_HEADER: Final = OpenApiParameter.HEADER

# What any call with a key may be answered.
ALWAYS: Final = ("unauthorized", "missing_scope", "project_not_found", "too_many_requests", "internal_error")
ALWAYS_AND_UNAVAILABLE: Final = (*ALWAYS, "unavailable")
OF_A_BODY: Final = ("invalid_field", "unknown_action", "length_required", "payload_too_large", "unsupported_media_type")


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One call: ``success`` is status, body and sentence; ``errors`` are codes of the catalogue."""

    id: str
    summary: str
    description: str
    success: Sequence[tuple[int, Any, str]]
    errors: Sequence[str]
    scope: str = ""
    parameters: Sequence[OpenApiParameter] = ()
    request: Any = None

    def __post_init__(self) -> None:
        if self.scope and self.scope not in SCOPES:
            raise ValueError(f"{self.id} needs a scope that no key has: {self.scope}")


def query(name: str, kind: Any, description: str, **further: Any) -> OpenApiParameter:
    """Return an optional query parameter."""
    return OpenApiParameter(name, kind, OpenApiParameter.QUERY, description=description, **further)


# Parameters of the path are named as the routes name them; the generator turns them into the public spelling.
PROJECT_KEY: Final = OpenApiParameter(
    "project_key", str, IN_PATH, description="The key of one of the organization's projects."
)
JOB_ID: Final = OpenApiParameter("job_id", int, IN_PATH, description="The job ID.")
USER_ID: Final = OpenApiParameter(
    "user_id", str, IN_PATH, description="The user, percent-encoded: 1 to 256 bytes of UTF-8; slashes belong to it."
)
REQUEST_ID: Final = OpenApiParameter(
    "X-Request-Id",
    str,
    IN_HEADER,
    description="Yours, to find the request in logs and events; made here if absent or not well formed.",
)

LIMIT: Final = query(
    "limit", int, f"Page size, 1-{LARGEST_LIMIT} (default: {DEFAULT_LIMIT}). Values outside the range fall back to it."
)
PAGE: Final = query("page", int, "Page number, starts at 1 (default: 1). Values < 1 fall back to 1.")
STATUSES: Final = [status.value for status in Status]

OPERATIONS: Final[dict[tuple[str, str], Operation]] = {
    ("GET", "/{projectKey}/jobs"): Operation(
        id="listJobs",
        summary="List all jobs",
        description="Retrieve the jobs of a project, including completed and cancelled ones, newest first. Paginated.",
        scope="read",
        parameters=(LIMIT, PAGE),
        success=[(200, JOBS, "A page of jobs.")],
        errors=ALWAYS_AND_UNAVAILABLE,
    ),
    ("POST", "/{projectKey}/jobs"): Operation(
        id="createJob",
        summary="Create a job",
        description="Ask for work. With the answer the job is durable and will be run.",
        scope="create",
        request=NewJobSerializer,
        success=[(201, JOB, "The new job.")],
        errors=(*ALWAYS_AND_UNAVAILABLE, *OF_A_BODY, "active_job_exists", "busy"),
    ),
    ("GET", "/{projectKey}/jobs/{jobId}"): Operation(
        id="getJob",
        summary="Get job details",
        description="Return the job's status and metadata.",
        scope="read",
        parameters=(JOB_ID,),
        success=[(200, JOB, "The job.")],
        errors=(*ALWAYS_AND_UNAVAILABLE, "invalid_field", "job_not_found"),
    ),
    ("DELETE", "/{projectKey}/jobs/{jobId}"): Operation(
        id="cancelJob",
        summary="Cancel job",
        description="Cancel a job that hasn't started or is still in progress. After a 200 it does nothing more.",
        scope="cancel",
        parameters=(JOB_ID,),
        success=[(200, JOB, "The cancelled job.")],
        errors=(*ALWAYS_AND_UNAVAILABLE, "invalid_field", "transition_refused", "job_not_found", "busy"),
    ),
    ("DELETE", "/{projectKey}/users/{userId}"): Operation(
        id="eraseUser",
        summary="Erase a user",
        description="Ask for the erasure of all that is kept about a user.",
        scope="create",
        parameters=(USER_ID,),
        success=[(200, JOB, "The job that will erase the user.")],
        errors=(*ALWAYS_AND_UNAVAILABLE, "invalid_field", "active_job_exists", "busy"),
    ),
}
