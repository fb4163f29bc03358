"""The landing page, which shows how to call the API, and in the demo what the site is doing."""

from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from jobs import Status
from jobs.models import Job, Worker

# Counting further would read an index of millions of rows for a number that nobody needs.
COUNTED: Final = 1_000
# As long as a worker's lease is by default: without a heartbeat since, it has lost its jobs.
ALIVE_WITHIN: Final = timedelta(seconds=45)


@login_not_required
@never_cache
@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    """Show the page; it names no project but the demo's, and no person."""
    context = {
        "address": request.build_absolute_uri("/").rstrip("/"),
        "project_key": settings.DEMO_PROJECT_KEY or "YOUR_PROJECT_KEY",
        # How busy a site is, is nobody's business who only found its address.
        "facts": _facts() if settings.DEMO_PROJECT_KEY else None,
    }
    return render(request, "jobsite/landing.html", context)


@login_not_required
def favicon(request: HttpRequest) -> HttpResponse:
    """Redirect browsers to the icon; they request this path for every page."""
    return redirect(static("jobsite/favicon.svg"))


def _facts() -> dict[str, Any] | None:
    """Return the numbers of jobs and workers, in two short queries; None if the database does not answer."""
    try:
        return {"jobs": _count_jobs(), "workers": _count_workers()}
    except DatabaseError:
        return None


def _count_jobs() -> dict[str, str]:
    """Return how many jobs are in each status, up to ``COUNTED``."""
    counts: list[str] = []
    values: list[str | int] = []
    for status in Status:
        few, params = Job.objects.filter(status=status).order_by().values("pk")[:COUNTED].query.sql_with_params()
        counts.append(f"(SELECT COUNT(*) FROM ({few}) AS few)")  # noqa: S608 – compiled by Django
        values.extend(params)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(counts)}", values)
        row = cursor.fetchone()
    return {
        status: f"{count:,}" if count < COUNTED else f"{COUNTED - 1:,}+"
        for status, count in zip(Status, row, strict=True)
    }


def _count_workers() -> int:
    return Worker.objects.exclude(kind=Worker.Kind.DISPATCHER).filter(beat_at__gt=timezone.now() - ALIVE_WITHIN).count()
