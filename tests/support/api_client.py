"""An integrator: one key, one project, and what it asks for."""

import json
from dataclasses import dataclass, field
from typing import Any

from django.test import Client


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
