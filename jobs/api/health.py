"""Is this process alive, and may it be sent requests? Answers hold no detail, as anybody may ask."""

from collections.abc import Callable

from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.common import no_append_slash
from django.views.decorators.http import require_safe

from ..services.reports.health import is_ready

View = Callable[[HttpRequest], HttpResponse]


def _probe(view: View) -> View:
    """Keep ``ATOMIC_REQUESTS`` off, which would ask the database before the view does; nobody stores the answer."""
    answer = no_append_slash(never_cache(require_safe(view)))
    for alias in connections:
        answer = transaction.non_atomic_requests(using=alias)(answer)
    return answer


@_probe
def livez(request: HttpRequest) -> HttpResponse:
    """Answer 200 as long as the process answers at all; asks no database, so an outage restarts nothing."""
    return JsonResponse({"status": "ok"})


@_probe
def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 200 if the database answers and the migrations of ``jobs`` are applied, else 503."""
    if is_ready():
        return JsonResponse({"status": "ok"})
    return JsonResponse({"status": "unavailable"}, status=503)
