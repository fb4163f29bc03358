"""Examples of answers, those of the public documentation word for word."""

from typing import Any, Final

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

EXAMPLES: Final[dict[tuple[str, int], Any]] = {
    ("listJobs", 200): {"data": [SCHEDULED, CANCELLED]},
    ("createJob", 201): {"data": SCHEDULED},
    ("getJob", 200): {"data": SCHEDULED},
    ("cancelJob", 200): {"data": CANCELLED},
    ("eraseUser", 200): {"data": SCHEDULED},
}
"""By the id of the operation and the status."""
