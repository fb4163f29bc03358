"""What the peers share: SQL on the tables of ``rows``, and a job as the contract shows it."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

NAMES: Final = (
    *("jobId", "description", "status", "projectId", "action", "referenceId"),
    *("createdAt", "updatedAt", "startAt", "errors"),
)
COLUMNS: Final = (
    "job_id, description, status, project_id, action, reference_id, created_at, updated_at, start_at, errors"
)
ACCESS: Final = (
    "SELECT project.id FROM api_key JOIN project USING (organization_id) WHERE api_key.digest = %s AND project.key = %s"
)
LIST: Final = "SELECT {columns} FROM job WHERE project_id = %s ORDER BY job_id LIMIT %s OFFSET %s"
ONE: Final = "SELECT {columns} FROM job WHERE project_id = %s AND job_id = %s"
CANCEL: Final = (
    "UPDATE job SET status = 'cancelled', updated_at = now()"
    " WHERE project_id = %s AND job_id = %s AND status IN ('scheduled', 'running') RETURNING {columns}"
)
BIGGEST_PAGE: Final = 200


def digest_of(header: str) -> str:
    """Return what is stored of the key in ``Authorization: Bearer …``."""
    return hashlib.sha256(header.removeprefix("Bearer ").encode()).hexdigest()


def milliseconds(at: datetime | None) -> int | None:
    return None if at is None else round(at.timestamp() * 1000)


def job_of(row: Sequence[Any]) -> dict[str, Any]:
    """Return a row of ``COLUMNS`` as the contract shows it."""
    return {
        **dict(zip(NAMES[:6], row, strict=False)),
        "createdAt": milliseconds(row[6]),
        "updatedAt": milliseconds(row[7]),
        "startAt": milliseconds(row[8]),
        "errors": row[9],
    }
