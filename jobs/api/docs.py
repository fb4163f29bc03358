"""The pages for integrators: the guide, made of the error codes and of this host's limits, and Swagger UI.

They need no key, ask no other server, and work under ``default-src 'self'``: scripts and styles are files.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

from django.apps import apps
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from .. import conf
from ..actions import Action, all_actions
from ..error_codes import ERROR_CODES
from ..http import find_api_path
from ..services.commands.schedule import MAX_DESCRIPTION_CHARACTERS, MAX_REFERENCE_BYTES
from ..services.commands.schedule_batch import MOST_JOBS
from ..services.reports.history import MOST_EVENTS
from ..services.validation import MAX_REASON_CHARACTERS
from .etags import LATE_SECONDS, SOON_SECONDS
from .openapi import find_erase_action, read
from .pagination import JobPages
from .parsing import MAX_BATCH_BYTES, MAX_BODY_BYTES
from .public import public

SIDECAR: Final = "drf_spectacular_sidecar"
LANGUAGES: Final = {"curl": "curl", "python": "Python", "javascript": "JavaScript"}
SAMPLES: Final = ("first", "find", "create", "erase", "follow", "cancel")
"""The sections with samples, each a template a language; one after the other they are a program."""

PARTS: Final = ("cause", "cure", "details")
_CODE: Final = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A sample in one language; its text is still to be escaped (``force_escape``, as Django calls it safe)."""

    id: str
    language: str
    text: str


@csrf_exempt  # so that other methods get 405, not 403
@public
@require_safe
def guide(request: HttpRequest, **_: str) -> HttpResponse:
    """Show how to call the API, with this host's address, public actions and limits."""
    offered = [action for action in all_actions() if action.public]
    erase = find_erase_action()
    named = erase or (offered[0] if offered else None)
    path = find_api_path(request) or request.path.rpartition("/")[0] + "/"
    limits = _limits()
    values = {
        "base": request.build_absolute_uri(path.rstrip("/")),
        "action": named.name if named else "delete_user_data",
        "limits": limits,
    }
    context = {
        **values,
        "samples": {name: _samples(name, values) for name in SAMPLES},
        "actions": [
            {"name": one.name, "description": one.description, "unique": one.unique, "start": _start(one)}
            for one in offered
        ],
        "erases": erase is not None,
        "errors": [
            {"code": code, "status": entry.status, **{part: _marked(getattr(entry, part)) for part in PARTS}}
            for code, entry in ERROR_CODES.items()
        ],
        "version": read()["info"]["version"],
        "has_reference": apps.is_installed(SIDECAR),
    }
    return HttpResponse(render_to_string("jobs/docs.html", context))


@csrf_exempt  # so that other methods get 405, not 403
@public
@require_safe
def reference(request: HttpRequest, **_: str) -> HttpResponse:
    """Show the OpenAPI document in Swagger UI, with the files of the app ``drf_spectacular_sidecar``.

    Raises:
        Http404: the host has not installed that app.
    """
    if not apps.is_installed(SIDECAR):
        raise Http404
    return HttpResponse(render_to_string("jobs/docs_reference.html", {"dist": f"{SIDECAR}/swagger-ui-dist"}))


def _start(action: Action) -> str:
    """Return when a job of the action starts if its creator gives no time."""
    names = {"now": "at once", "next_midnight": "at the next midnight UTC"}
    return names[action.start] if isinstance(action.start, str) else f"after {action.start}".removesuffix(", 0:00:00")


def _marked(text: str) -> SafeString:
    """Return a sentence of the table of codes as HTML: what is between backticks is code."""
    return mark_safe(_CODE.sub(r"<code>\1</code>", escape(text)))  # noqa: S308 – escaped before


def _samples(name: str, values: dict[str, Any]) -> list[Sample]:
    # As the whole text is escaped when it is shown, the values in it must not be.
    plain = {key: mark_safe(value) if isinstance(value, str) else value for key, value in values.items()}  # noqa: S308 – as above
    return [
        Sample(id=f"{name}-{kind}", language=language, text=render_to_string(f"jobs/docs/{name}.{kind}", plain))
        for kind, language in LANGUAGES.items()
    ]


def _limits() -> dict[str, str | None]:
    """Return the numbers of the page as it shows them; None: there is no such limit."""
    settings = conf.current()

    def shown(number: float | None, unit: str = "") -> str | None:
        return None if number is None else f"{number:,g}{unit}"

    return {
        "requests": shown(settings.requests_per_minute),
        "new_jobs": shown(settings.new_jobs_per_minute),
        "waiting": shown(settings.most_waiting),
        "failed_keys": shown(settings.failed_keys_per_minute),
        "default_page": shown(JobPages.page_size),
        "page": shown(JobPages.max_page_size),
        "batch": shown(MOST_JOBS),
        "body": shown(MAX_BODY_BYTES // 1024, " KiB"),
        "batch_body": shown(MAX_BATCH_BYTES // 1024, " KiB"),
        "reference": shown(MAX_REFERENCE_BYTES),
        "description": shown(MAX_DESCRIPTION_CHARACTERS),
        "reason": shown(MAX_REASON_CHARACTERS),
        "events": shown(MOST_EVENTS),
        "cancel_wait": shown(settings.cancel_wait_seconds, " s"),
        "soon": shown(SOON_SECONDS),
        "late": shown(LATE_SECONDS),
        "retention": shown(settings.retention_days),
    }
