"""The views of the health probes; their answers have no details, as anybody may ask."""

from collections.abc import Callable

from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.common import no_append_slash
from django.views.decorators.http import require_safe

from ..services.reports.health import is_ready

View = Callable[[HttpRequest], HttpResponse]


def _probe(view: View) -> View:
    """Switch off caching, and ``ATOMIC_REQUESTS``, which would open the database before the view does."""
    answer = no_append_slash(never_cache(require_safe(view)))
    for alias in connections:
        answer = transaction.non_atomic_requests(using=alias)(answer)
    return answer


@_probe
def livez(request: HttpRequest) -> HttpResponse:
    """Answer 200, without the database, so that its outage does not make an orchestrator restart the process."""
    return JsonResponse({"status": "ok"})


@_probe
def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 200 if the database answers and the migrations of ``jobs`` are applied, else 503."""
    if is_ready():
        return JsonResponse({"status": "ok"})
    return JsonResponse({"status": "unavailable"}, status=503)
