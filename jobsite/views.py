"""The landing page, which shows how to call the API."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from jobsite.facts import find_facts


@never_cache
@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    """Show the page; it names no project but the demo's, and no person."""
    context = {
        "address": request.build_absolute_uri("/").rstrip("/"),
        "project_key": settings.DEMO_PROJECT_KEY or "YOUR_PROJECT_KEY",
        "facts": find_facts(),
    }
    return render(request, "jobsite/landing.html", context)


def favicon(request: HttpRequest) -> HttpResponse:
    """Redirect browsers to the icon; they request this path for every page."""
    return redirect(static("jobsite/favicon.svg"))
