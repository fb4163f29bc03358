"""The views of the OpenAPI 3.1 document and of Swagger UI; they need no key.

Developers generate ``openapi.json`` with ``make openapi``: a host needs no generator, and its
settings cannot change the document.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

from django.apps import apps
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.decorators.common import no_append_slash
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from .. import conf
from ..actions import all_actions, find_action
from ..http import JSON, to_bytes

DOCUMENT: Final = Path(__file__).with_name("openapi.json")
SIDECAR: Final = "drf_spectacular_sidecar"
ERASE_USER: Final = "/{projectKey}/users/{userId}"


@csrf_exempt  # so that other methods get 405, not 403
@no_append_slash
@require_safe
def document(request: HttpRequest) -> HttpResponse:
    """Answer with the document, with the prefix and the public actions of this host."""
    described = read()
    # `reverse()` would not do: a host may mount the API in a namespace, or below a prefix with a parameter.
    here = request.path.rpartition("/")[0]
    erase = find_action(conf.current().user_erase_action)
    paths = {
        path: item
        for path, item in described["paths"].items()
        if path != ERASE_USER or (erase is not None and erase.public)
    }
    return HttpResponse(
        to_bytes({**described, "servers": [{"url": here}], "paths": paths, "components": _components(described)}),
        content_type=JSON,
    )


@csrf_exempt  # so that other methods get 405, not 403
@no_append_slash
@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """Show the document in Swagger UI, with the files of the app ``drf_spectacular_sidecar``.

    Script and style are separate files, so that the page works under ``default-src 'self'``.

    Raises:
        Http404: the host has not installed that app.
    """
    if not apps.is_installed(SIDECAR):
        raise Http404
    return HttpResponse(render_to_string("jobs/docs.html", {"dist": f"{SIDECAR}/swagger-ui-dist"}))


@cache
def read() -> dict[str, Any]:
    """Return the document as it was generated."""
    described: dict[str, Any] = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    return described


def _components(described: dict[str, Any]) -> dict[str, Any]:
    """Return the components, with the actions that this host offers."""
    schemas = described["components"]["schemas"]
    new_job = schemas["NewJobRequest"]
    offered = [action.name for action in all_actions() if action.public]
    action = {**new_job["properties"]["action"], "enum": offered} if offered else new_job["properties"]["action"]
    members = {**new_job["properties"], "action": action}
    return {**described["components"], "schemas": {**schemas, "NewJobRequest": {**new_job, "properties": members}}}
