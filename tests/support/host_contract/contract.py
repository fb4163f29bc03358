"""Checks the REST API of a host over WSGI: ``contract.py APPLICATION PROJECT_KEY SECRET before|after``.

Runs in a host's directory, with the Python that `jobs` is installed for: ``before`` a worker
has run, it creates jobs; ``after`` it, it checks their outcome. A failed check ends it.
"""

import io
import json
import sys
from importlib import import_module
from typing import Any
from wsgiref.util import setup_testing_defaults

FIELDS = "jobId description status projectId action referenceId createdAt updatedAt startAt errors".split()
MEHDI, SHEKAR = "mehdi@example.com", "shekar@example.com"


class Integrator:
    """Calls the host's WSGI application as a server does."""

    def __init__(self, application: str, project_key: str, secret: str) -> None:
        self.application = import_module(application).application
        self.project_key = project_key
        self.headers = {"HTTP_AUTHORIZATION": f"Bearer {secret}"}

    def ask(self, method: str, path: str, body: Any = None, **further: str) -> tuple[int, Any]:
        """Make a request; return status and body of the answer, which must be JSON with a request id."""
        path, _, query = path.partition("?")
        sent = b"" if body is None else json.dumps(body).encode()
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "PATH_INFO": f"/public/{self.project_key}{path}" if path.startswith("/") else path.removeprefix("@"),
            "QUERY_STRING": query,
            "HTTP_HOST": "testserver",
            "HTTP_ACCEPT": "text/html",
            "HTTP_ACCEPT_LANGUAGE": "de",
            "CONTENT_TYPE": "application/json" if body is not None else "",
            "CONTENT_LENGTH": str(len(sent)),
            "wsgi.input": io.BytesIO(sent),
            **self.headers,
            **further,
        }
        setup_testing_defaults(environ)
        told: list[Any] = []
        answer = self.application(environ, lambda status, headers, _=None: told.extend([status, dict(headers)]))
        content = b"".join(answer)
        if hasattr(answer, "close"):
            answer.close()
        status, headers = told
        assert headers["Content-Type"] == "application/json", headers
        assert headers["X-Request-Id"], headers
        return int(status.split()[0]), json.loads(content)

    def error(self, status: int, method: str, path: str, **further: Any) -> Any:
        """Make a request that must be refused with ``status``; return the body."""
        found, body = self.ask(method, path, **further)
        assert found == status, (method, path, found, body)
        assert isinstance(body["error"], str), body
        assert body["requestId"], body
        return body


def before(caller: Integrator) -> None:
    """Create a job that is due, cancel one for tonight, and make requests that must be refused."""
    assert caller.ask("GET", "/jobs") == (200, {"data": []})
    due = {"action": "delete_user_data", "referenceId": MEHDI, "startAt": 1_623_954_600_000}
    status, created = caller.ask("POST", "/jobs", due)
    assert status == 201, created
    job = created["data"]
    assert list(job) == FIELDS
    assert isinstance(job["projectId"], int)
    assert (job["description"], job["status"]) == (f"Delete user sessions of userId = {MEHDI}", "scheduled")
    assert job["createdAt"] <= job["startAt"]
    assert (job["updatedAt"], job["errors"]) == (None, None)
    status, tonight = caller.ask("DELETE", f"/users/{SHEKAR}")
    assert status == 200, tonight
    assert tonight["data"]["startAt"] % 86_400_000 == 0
    status, listed = caller.ask("GET", "/jobs?limit=50&page=1")
    assert [found["jobId"] for found in listed["data"]] == [tonight["data"]["jobId"], job["jobId"]]
    assert caller.ask("GET", f"/jobs/{job['jobId']}") == (200, {"data": job})
    status, cancelled = caller.ask("DELETE", f"/jobs/{tonight['data']['jobId']}")
    assert (status, cancelled["data"]["status"]) == (200, "cancelled")
    refused(caller, cancelled["data"]["jobId"], due)


def refused(caller: Integrator, cancelled: int, due: dict[str, Any]) -> None:
    """Make requests that every host must refuse, whatever its own settings are."""
    again = caller.error(400, "DELETE", f"/jobs/{cancelled}")
    assert again["error"] == "the requested job has already been cancelled"
    conflict = caller.error(409, "POST", "/jobs", body=due)
    assert conflict["details"]["job"]["referenceId"] == MEHDI
    caller.error(400, "GET", "/jobs/first")
    caller.error(404, "GET", "/jobs/999999999")
    caller.error(405, "PUT", "/jobs")
    caller.error(404, "GET", "/nothing")
    caller.error(404, "GET", "@/public/00000000000000000000/jobs")
    caller.error(401, "GET", "/jobs", HTTP_AUTHORIZATION="Bearer wrong")
    caller.error(400, "GET", "/jobs", HTTP_HOST="elsewhere")


def after(caller: Integrator) -> None:
    """Check the job that a worker has run, and that it can no longer be cancelled."""
    status, listed = caller.ask("GET", f"/jobs?referenceId={MEHDI}")
    (job,) = listed["data"]
    assert (status, job["status"], job["errors"]) == (200, "completed", None), job
    assert job["updatedAt"] >= job["startAt"]
    status, detailed = caller.ask("GET", f"/jobs/{job['jobId']}?include=receipt")
    assert detailed["data"]["receipt"]["stores"]["sessions"] == {"found": 3, "done": 3, "left": 0}, detailed
    late = caller.error(400, "DELETE", f"/jobs/{job['jobId']}")
    assert late["error"] == "the requested job has already been completed"


if __name__ == "__main__":
    _, application, project_key, secret, phase = sys.argv
    {"before": before, "after": after}[phase](Integrator(application, project_key, secret))
    print("kept")
