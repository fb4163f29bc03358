"""Summaries of the jobs of a project or an organization: bounded counts, the oldest due, the newest failed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import models
from django.db.models import OuterRef, Subquery

from ...db.clock import NOW
from ...db.connection import jobs_connection
from ...models import Job, JobQuerySet, Organization
from ...status import Status
from ..search.planner import Holds, index_scans_only, pinned
from ..tenants.projects import get_project_model

# For each project and status; a count reads one job more.
MOST_COUNTED: Final = 1_000
# The most projects of an organization to count; one query for them takes some hundredths of a second at any size.
MOST_PROJECTS: Final = 20
MOST_FAILURES: Final = 5


@dataclass(frozen=True, kw_only=True)
class ProjectJobs:
    """The summary of one project."""

    project: models.Model
    counts: Mapping[Status, int]
    """By status; a value above ``MOST_COUNTED`` means "more than that"."""
    late_since: datetime | None
    """Since when the oldest due job is due; None if none is due."""
    late_id: int | None
    """That job."""
    failed_id: int | None
    """The newest job that failed."""


@dataclass(frozen=True, kw_only=True)
class OrganizationJobs:
    """The summaries of an organization's first projects, by primary key."""

    projects: Sequence[ProjectJobs]
    is_cut: bool
    """Whether it has more projects than these."""


class _Count(Subquery):
    """The number of rows of a query; unlike ``Count``, it stops where the query's slice does."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) counted)"
    output_field = models.IntegerField()


def summarize_project(project: models.Model) -> ProjectJobs:
    """Summarize one project, in one query."""
    return _summarize(get_project_model()._base_manager.filter(pk=project.pk))[0]


def summarize_organization(organization: Organization) -> OrganizationJobs:
    """Summarize the projects of an organization, in one query."""
    projects = get_project_model()._base_manager.filter(organization=organization).order_by("pk")
    found = _summarize(projects[: MOST_PROJECTS + 1])
    return OrganizationJobs(projects=found[:MOST_PROJECTS], is_cut=len(found) > MOST_PROJECTS)


def newest_failures(project: models.Model) -> Sequence[Job]:
    """Return the newest failed jobs of the project, by creation."""
    failed = Job.objects.in_project(project).filter(status=Status.FAILED).order_by("-pk")
    with index_scans_only():
        return list(failed.only("action", "errors", "finished_at", "attempt", "reference_id")[:MOST_FAILURES])


def _summarize(projects: models.QuerySet[Any]) -> list[ProjectJobs]:
    """Read each part for each project from one index with a limit; a join would let the planner scan all jobs."""
    # Two bounds pin the column where there is no value yet (see `pinned`).
    jobs = Job.objects.filter(project_id__gte=OuterRef("pk"), project_id__lte=OuterRef("pk"))
    late = jobs.due(NOW).order_by("project_id", "due_at", "pk")
    rows = projects.using(jobs_connection().alias).annotate(
        jobs_late_since=Subquery(late.values("due_at")[:1]),
        jobs_late_id=Subquery(late.values("pk")[:1]),
        jobs_failed_id=Subquery(_newest(jobs, Status.FAILED).values("pk")[:1]),
        **{_column(status): _Count(_newest(jobs, status).values("pk")[: MOST_COUNTED + 1]) for status in Status},
    )
    with index_scans_only():
        found = list(rows)
    return [
        ProjectJobs(
            project=row,
            counts={status: getattr(row, _column(status)) for status in Status},
            late_since=row.jobs_late_since,
            late_id=row.jobs_late_id,
            failed_id=row.jobs_failed_id,
        )
        for row in found
    ]


def _newest(jobs: JobQuerySet, status: Status) -> JobQuerySet:
    return jobs.filter(Holds(pinned, "status", status)).order_by("-project_id", "-status", "-pk")


def _column(status: Status) -> str:
    return f"jobs_{status.value}"
