"""The views of the health probes; their answers have no details, as anybody may ask."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from ..services.reports.health import is_ready
from .public import public


@public
@never_cache
@require_safe
def livez(request: HttpRequest) -> HttpResponse:
    """Answer 200, without the database, so that its outage does not make an orchestrator restart the process."""
    return JsonResponse({"status": "ok"})


@public
@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 200 if the database answers and the migrations of ``jobs`` are applied, else 503."""
    if is_ready():
        return JsonResponse({"status": "ok"})
    return JsonResponse({"status": "unavailable"}, status=503)
