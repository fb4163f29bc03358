"""An integrator with one key and one project, and what its answers are checked for."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.test import Client

from tests.support.concurrency import statements


@dataclass(kw_only=True)
class Api:
    """Calls ``/public/{projectKey}…`` with a key; ``path`` is what follows the project key."""

    project: Any
    secret: str
    client: Client = field(default_factory=Client)

    def get(self, path: str, **further: Any) -> Any:
        return self.call("GET", path, **further)

    def delete(self, path: str, **further: Any) -> Any:
        return self.call("DELETE", path, **further)

    def post(self, path: str, body: Any, **further: Any) -> Any:
        """Send ``body`` as JSON; bytes as they are."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.call("POST", path, data=raw, **{"content_type": "application/json", **further})

    def call(self, method: str, path: str, **further: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.secret}", **further.pop("headers", {})}
        return self.client.generic(method, f"/public/{self.project.key}{path}", headers=headers, **further)


def ids_of(response: Any) -> list[int]:
    return [job["jobId"] for job in response.json()["data"]]


def assert_error(response: Any, status: int, code: str, *, error: str | None = None, details: Any = None) -> None:
    """Check an error: its members in their order, its status and code, and its sentence if one is given.

    Of ``details`` the member ``errors`` is not compared, whose first entry repeats the others.
    """
    body = response.json()
    assert (response.status_code, body["code"]) == (status, code)
    assert list(body) == ["error", "code", "requestId", "docs", *(["details"] if "details" in body else [])]
    assert error is None or body["error"] == error
    assert details is None or without_errors(body["details"]) == details


def without_errors(details: dict[str, Any]) -> dict[str, Any]:
    """Return ``details`` of an answer without ``errors``, once its first entry was compared with the rest."""
    if "field" in details:
        assert details["errors"][0]["field"] == details["field"]
    return {name: value for name, value in details.items() if name != "errors"}


def counted_statements(call: Callable[[], object]) -> list[str]:
    """Return the statements of a call, but for those of its transactions; none of them counts rows."""
    with statements(without=("BEGIN", "COMMIT")) as sent:
        call()
    assert not any("COUNT(*)" in sql.upper() for sql in sent if "WITH MOVED" not in sql.upper())
    return sent
