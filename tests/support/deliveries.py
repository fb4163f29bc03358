"""Deliveries without an engine: the calls of ``run_job`` that its worker process would make."""

import time

from jobs import JobContext, tasks
from jobs.models import Job
from tests.support.concurrency import InThread, until
from tests.support.execution import write_in_chunk
from tests.support.hostapp.models import Ledger


def deliver(job: Job) -> Job:
    """Deliver the job on a thread of its own, as an engine does; return the row afterwards."""
    InThread(lambda: tasks.run_job(job.pk)).result()
    job.refresh_from_db()
    return job


def start_delivery(job: Job) -> InThread[None]:
    """Deliver a job of :func:`write_until_stopped`; return when it runs."""
    thread = InThread(lambda: tasks.run_job(job.pk))
    until_running(job)
    return thread


def write_until_stopped(context: JobContext) -> None:
    """Be an action that never ends by itself."""
    while True:
        write_in_chunk(context)
        time.sleep(0.01)


def until_running(job: Job) -> None:
    """Wait until the job's action has written twice."""
    until(lambda: Ledger.objects.filter(job_id=job.pk).count() > 1, what="the job to run")
