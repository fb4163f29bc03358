"""The table of jobs on the page of a project or an organization, with links to the jobs."""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlencode

from django.db import models
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils.safestring import SafeString

from ...models import Job, Organization
from ...services.reports.summaries import (
    MOST_COUNTED,
    ProjectJobs,
    newest_failures,
    summarize_organization,
    summarize_project,
)
from ...status import Status
from . import display
from .masking import without_reference

OPTS: Final = Job._meta


def of_project(request: HttpRequest, site_name: str, project: models.Model) -> SafeString | None:
    """Return the table of a project's jobs; None for users who may not view jobs."""
    if not _may_view_jobs(request):
        return None
    failures = [_failure(job, site_name) for job in newest_failures(project)]
    summary = summarize_project(project)
    return _render([summary], site_name, failures=failures)


def of_organization(request: HttpRequest, site_name: str, organization: Organization) -> SafeString | None:
    """Return the table of an organization's projects; None for users who may not view jobs."""
    if not _may_view_jobs(request):
        return None
    summary = summarize_organization(organization)
    return _render(summary.projects, site_name, by_project=True, is_cut=summary.is_cut)


def _may_view_jobs(request: HttpRequest) -> bool:
    return request.user.has_perm(f"{OPTS.app_label}.view_{OPTS.model_name}")


def _render(summaries: Sequence[ProjectJobs], site_name: str, **context: Any) -> SafeString:
    context |= {
        "rows": [_row(summary, site_name) for summary in summaries],
        "statuses": [display.status(status.value) for status in Status],
    }
    return render_to_string("admin/jobs/project_jobs.html", context)


def _row(summary: ProjectJobs, site_name: str) -> dict[str, Any]:
    project = summary.project
    late = None if summary.late_since is None else display.moment(summary.late_since)
    return {
        "project": project,
        "url": _list_url(site_name, project=project.pk),
        "counts": [
            {
                "number": display.count_up_to(MOST_COUNTED, count),
                "url": _list_url(site_name, project=project.pk, status=status.value) if count else None,
            }
            for status, count in summary.counts.items()
        ],
        "late": late,
        "late_url": _job_url(site_name, summary.late_id),
        "failed_id": summary.failed_id,
        "failed_url": _job_url(site_name, summary.failed_id),
    }


def _failure(job: Job, site_name: str) -> dict[str, Any]:
    return {
        "id": job.pk,
        "url": _job_url(site_name, job.pk),
        "action": job.action,
        "finished": None if job.finished_at is None else display.moment(job.finished_at),
        # Masked for everybody: users who may see the reference find it on the job's page.
        "error": without_reference(display.first_line(job.errors or ""), job.reference_id),
    }


def _list_url(site_name: str, **filters: Any) -> str | None:
    url = _reverse(site_name, "changelist")
    return url and f"{url}?{urlencode(filters)}"


def _job_url(site_name: str, job_id: int | None) -> str | None:
    return None if job_id is None else _reverse(site_name, "change", job_id)


def _reverse(site_name: str, page: str, *args: Any) -> str | None:
    """Return the URL of a page of jobs; None if the host's site has none."""
    try:
        return reverse(f"{site_name}:{OPTS.app_label}_{OPTS.model_name}_{page}", args=args)
    except NoReverseMatch:
        return None
