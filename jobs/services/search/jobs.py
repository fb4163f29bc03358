"""Read the jobs of a project: one by its id, or all as a queryset."""

from datetime import datetime
from typing import Any, cast

from django.db import models
from django.db.models import QuerySet

from ...db.clock import NOW
from ...exceptions import JobNotFound
from ...models import BIGGEST_ID, Job


def get_job(job_id: int, *, project: models.Model) -> Job:
    """Return one job of the project.

    Raises:
        JobNotFound: the project has no such job; any integer may be asked for.
    """
    return _get(job_id, Job.objects.in_project(project))


def get_job_and_time(job_id: int, *, project: models.Model) -> tuple[Job, datetime]:
    """Return one job of the project and the database's time of that read, in one query.

    Raises:
        JobNotFound: as :func:`get_job`.
    """
    job = _get(job_id, Job.objects.in_project(project).annotate(read_at=NOW))
    return job, cast("Any", job).read_at


def list_jobs(*, project: models.Model) -> QuerySet[Job]:
    """Return the project's jobs, newest first, to be filtered and sliced; no query is made yet."""
    return Job.objects.in_project(project).order_by("-pk")


def _get(job_id: int, jobs: QuerySet[Job]) -> Job:
    job = jobs.filter(pk=job_id).first() if 0 < job_id <= BIGGEST_ID else None
    if job is None:
        raise JobNotFound(job_id)
    return job
