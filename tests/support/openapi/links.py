"""Links: which calls take what an answer says, and from where in it."""

from typing import Any, Final


def _to_job(operation: str, place: str, description: str, **further: str) -> dict[str, Any]:
    parameters = {"projectKey": "$request.path.projectKey", "jobId": place, **further}
    return {"operationId": operation, "parameters": parameters, "description": description}


IN_ANSWER: Final = "$response.body#/data/jobId"
FIRST_OF_ANSWER: Final = "$response.body#/data/0/jobId"

LINKS: Final[dict[str, dict[str, Any]]] = {
    "GetJob": _to_job("getJob", IN_ANSWER, "Follow the job."),
    "CancelJob": _to_job("cancelJob", IN_ANSWER, "Cancel the job, unless it has ended."),
    "GetFirstJob": _to_job("getJob", FIRST_OF_ANSWER, "Follow the first job; the same holds for every other."),
    "CancelFirstJob": _to_job("cancelJob", FIRST_OF_ANSWER, "Cancel the first job; the same holds for every other."),
    "GetActiveJob": _to_job("getJob", "$response.body#/details/job/jobId", "Follow the job that is in the way."),
    "AskAgain": _to_job(
        "getJob",
        "$request.path.jobId",
        "Ask only for what has changed: 304 if nothing has.",
        **{"If-None-Match": "$response.header.ETag"},
    ),
}
"""The components, by name."""

OF_ANSWERS: Final[dict[tuple[str, int], tuple[str, ...]]] = {
    ("createJob", 201): ("GetJob", "CancelJob"),
    ("createJob", 200): ("GetJob", "CancelJob"),
    ("createJob", 409): ("GetActiveJob",),
    ("createJobs", 201): ("GetFirstJob", "CancelFirstJob"),
    ("getJob", 200): ("AskAgain", "CancelJob"),
    ("getJob", 304): ("AskAgain",),
    ("cancelJob", 200): ("GetJob",),
    ("eraseUser", 200): ("GetJob", "CancelJob"),
    ("eraseUser", 409): ("GetActiveJob",),
}
"""By the id of the operation and the status. The list has none: it may be empty, and a link must find its job."""
