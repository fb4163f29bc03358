"""Read the jobs of a project: one by its id, or all as a queryset."""

from datetime import datetime
from typing import Any, Final, cast

from django.db import models
from django.db.models import QuerySet

from ...db.clock import NOW
from ...db.statements import Parameter, Statement
from ...exceptions import JobNotFound
from ...models import BIGGEST_ID, Job, Organization
from ...status import Status
from ..tenants.projects import get_project_model, key_of
from .planner import index_scans_only

JOB: Final = Statement(lambda: _job())
JOB_AND_TIME: Final[Statement[Any]] = Statement(lambda: _job().annotate(read_at=NOW))


def get_job(job_id: int, *, project: models.Model) -> Job:
    """Return one job of the project.

    Raises:
        JobNotFound: the project has no such job; any integer may be asked for.
    """
    return _get(job_id, project, JOB)


def get_job_and_time(job_id: int, *, project: models.Model) -> tuple[Job, datetime]:
    """Return one job of the project and the database's time of that read, in one query.

    Raises:
        JobNotFound: as :func:`get_job`.
    """
    job = _get(job_id, project, JOB_AND_TIME)
    return job, cast("Any", job).read_at


def list_jobs(*, project: models.Model) -> QuerySet[Job]:
    """Return the project's jobs, newest first, to be filtered and sliced; no query is made yet."""
    return Job.objects.in_project(project).order_by("-pk")


def has_waiting(organization: Organization, *, number: int) -> bool:
    """Whether at least ``number`` jobs of the organization wait; at most as many entries of an index are read."""
    projects = get_project_model()._base_manager.filter(organization=organization).values("pk")
    waiting = Job.objects.filter(project__in=projects, status=Status.SCHEDULED)
    with index_scans_only():  # which also has a limit of time
        return bool(waiting.values_list("pk", flat=True)[number - 1 : number])


def _job() -> QuerySet[Job]:
    return Job.objects.filter(project=Parameter(Job, "project"), pk=Parameter(Job, "id")).order_by()


def _get(job_id: int, project: models.Model, statement: Statement[Any]) -> Job:
    key = key_of(project)
    job: Job | None = statement.first(project=key, id=job_id) if 0 < job_id <= BIGGEST_ID else None
    if job is None:
        raise JobNotFound(job_id)
    return job
