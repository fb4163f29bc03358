"""The view of the OpenAPI 3.1 document; it needs no key.

Developers generate ``openapi.json`` with ``make openapi``: a host needs no generator, and its
settings cannot change the document.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from .. import conf
from ..actions import Action, all_actions, find_action
from ..http import JSON, to_bytes
from .public import public

DOCUMENT: Final = Path(__file__).with_name("openapi.json")
EXAMPLE_ACTION: Final = "delete_user_data"
ERASE_USER: Final = "/{projectKey}/users/{userId}"


@csrf_exempt  # so that other methods get 405, not 403
@public
@require_safe
def document(request: HttpRequest, **_: str) -> HttpResponse:
    """Answer with the document, with the prefix and the public actions of this host."""
    described = read()
    # `reverse()` would not do: a host may mount the API in a namespace, or below a prefix with a parameter.
    here = request.path.rpartition("/")[0]
    erases = find_erase_action() is not None
    paths = {path: item for path, item in described["paths"].items() if path != ERASE_USER or erases}
    return HttpResponse(
        to_bytes({**described, "servers": [{"url": here}], "paths": paths, "components": _components(described)}),
        content_type=JSON,
    )


@cache
def read() -> dict[str, Any]:
    """Return the document as it was generated."""
    described: dict[str, Any] = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    return described


def find_erase_action() -> Action | None:
    """Return the public action behind ``DELETE …/users/{userId}``; None: this host has no such path."""
    found = find_action(conf.current().user_erase_action)
    return found if found is not None and found.public else None


def _components(described: dict[str, Any]) -> dict[str, Any]:
    """Return the components, with the actions that this host offers, also in the examples of requests."""
    components = described["components"]
    offered = [action.name for action in all_actions() if action.public]
    if not offered:
        return {**components}
    new_job = components["schemas"]["NewJobRequest"]
    action = {**new_job["properties"]["action"], "enum": offered}
    members = {**new_job["properties"], "action": action}
    schemas = {**components["schemas"], "NewJobRequest": {**new_job, "properties": members}}
    examples = {**components["examples"]}
    if EXAMPLE_ACTION not in offered:
        for name in ("new_job", "new_jobs"):
            example = json.dumps(examples[name]).replace(f'"{EXAMPLE_ACTION}"', json.dumps(offered[0]))
            examples[name] = json.loads(example)
    return {**components, "schemas": schemas, "examples": examples}
