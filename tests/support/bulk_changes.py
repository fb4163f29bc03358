"""Requests bulk changes as a member of staff, and runs their jobs without a worker."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from jobs.db.connection import outermost_transaction
from jobs.execution import runner
from jobs.lifecycle import transitions
from jobs.models import Job
from jobs.services.commands import bulk_change
from jobs.services.commands.bulk_change import BulkChange, Change
from jobs.services.search.staff_filter import JobFilter
from tests.support.execution import lease_of
from tests.support.factories import LONG_AGO, WORKER


def make_bulk_change(change: Change = Change.CANCEL, **wanted: Any) -> BulkChange:
    """Return the confirmed change of all jobs that exist now and match."""
    return BulkChange(
        change=change,
        wanted=JobFilter(**wanted),
        highest_id=bulk_change.newest_job_id(),
        reason="the region is down",
        staff="7",
        request_id="r-1",
    )


def request(staff_project: Any, change: Change = Change.CANCEL, **wanted: Any) -> Job:
    return bulk_change.request_change(make_bulk_change(change, **wanted), project=staff_project)


def run(job: Job) -> Job:
    Job.objects.filter(pk=job.pk).update(due_at=LONG_AGO)
    with outermost_transaction():
        (claimed,) = transitions.claim(
            [job.pk], lease_token=uuid4(), worker=WORKER, lease=timedelta(seconds=45), begun_ids=[job.pk]
        )
    runner.run(claimed, lease=lease_of(claimed), worker=WORKER)
    job.refresh_from_db()
    return job


def counts_of(job: Job) -> dict[str, int]:
    return {store: entry["done"] for store, entry in job.receipt["stores"].items() if entry.get("done")}


def statuses() -> dict[int, str]:
    return dict(Job.objects.values_list("pk", "status"))
