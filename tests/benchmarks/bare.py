"""A bare WSGI callable that the API is compared with: one connection, two statements a request."""

import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any, Final

import psycopg

MEMBERS: Final = (
    *("jobId", "description", "status", "projectId", "action", "referenceId"),
    *("createdAt", "updatedAt", "startAt", "errors"),
)
COLUMNS: Final = """id, description, status, project_id, action, reference_id,
    (extract(epoch FROM created_at) * 1000)::bigint, (extract(epoch FROM updated_at) * 1000)::bigint,
    (extract(epoch FROM start_at) * 1000)::bigint, errors"""
ACCESS: Final = """
    SELECT project.id FROM jobs_apikey key JOIN jobs_project project USING (organization_id)
    WHERE key.digest = %s AND project.key = %s
"""
LIST: Final = f"SELECT {COLUMNS} FROM jobs_job WHERE project_id = %s ORDER BY id DESC LIMIT 50"
ONE: Final = f"SELECT {COLUMNS} FROM jobs_job WHERE project_id = %s AND id = %s"


def application(url: str) -> Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]:
    """Return the callable; it serves the list of 50 and one job, and refuses a wrong key."""
    connection = psycopg.connect(url, autocommit=True)

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        _, _, project_key, _, *job_id = environ["PATH_INFO"].split("/")
        digest = hashlib.sha256(environ["HTTP_AUTHORIZATION"][7:].encode()).hexdigest()
        project = connection.execute(ACCESS, [digest, project_key]).fetchone()
        if project is None:
            start_response("401 Unauthorized", [])
            return [b"{}"]
        found: Any
        if job_id:
            row = connection.execute(ONE, [*project, int(job_id[0])]).fetchone()
            found = dict(zip(MEMBERS, row or (), strict=True))
        else:
            rows = connection.execute(LIST, project).fetchall()
            found = [dict(zip(MEMBERS, row, strict=True)) for row in rows]
        body = json.dumps({"data": found}, ensure_ascii=False, separators=(",", ":")).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    return answer
