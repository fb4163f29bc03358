"""Jobs for the tests of engines: schedule them, wait for them, count what their actions wrote."""

from typing import Any, Final

from jobs import schedule_job
from jobs.models import Job
from jobs.status import Status
from tests.support.factories import make_project
from tests.support.hostapp.models import Ledger
from tests.system.engines.processes import wait_for

OWNER: Final = "ana@example.com"


def schedule(action: str = "note", **columns: Any) -> Job:
    return schedule_job(action, **{"project": make_project(), "reference_id": OWNER, **columns})


def schedule_many(count: int, action: str = "note") -> list[Job]:
    project = make_project()
    return [schedule(action, project=project, reference_id=f"user-{number}") for number in range(count)]


def until_completed(*jobs: Job) -> None:
    for job in jobs:
        until_status(job, Status.COMPLETED)


def until_status(job: Job, status: Status) -> Job:
    wait_for(lambda: Job.objects.filter(pk=job.pk, status=status).exists(), what=f"job {job.action} to be {status}")
    job.refresh_from_db()
    return job


def until_reserved(*jobs: Job) -> None:
    reserved = Job.objects.filter(pk__in=[job.pk for job in jobs], reserved_until__isnull=False)
    wait_for(lambda: reserved.count() == len(jobs), what="jobs to be dispatched")


def until_running(job: Job) -> None:
    wait_for(lambda: count_written(job) > 2, what="the job to run")


def count_written(job: Job) -> int:
    return Ledger.objects.filter(job_id=job.pk).count()
