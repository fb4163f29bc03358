"""Creates jobs that ended at a given time."""

from datetime import datetime, timedelta
from typing import Any

from jobs.models import Job
from jobs.status import Status
from tests.support.factories import make_job


def make_ended(
    finished_at: datetime, *, status: Status = Status.COMPLETED, ran: float = 1, waited: float = 2, **what_matters: Any
) -> Job:
    """Insert a job that ended at ``finished_at``; ``ran`` and ``waited`` are seconds."""
    begun_at = finished_at - timedelta(seconds=ran)
    start_at = begun_at - timedelta(seconds=waited)
    times = {"start_at": start_at, "started_at": begun_at, "begun_at": begun_at, "finished_at": finished_at}
    return make_job(status=status, **{**times, **what_matters})
