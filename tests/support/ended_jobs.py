"""Jobs that ended at an instant that a test names, having waited and run for so long."""

from datetime import datetime, timedelta
from typing import Any

from jobs.models import Job
from jobs.status import Status
from tests.support.factories import make_job


def make_ended(
    finished_at: datetime, *, status: Status = Status.COMPLETED, ran: float = 1, waited: float = 2, **what_matters: Any
) -> Job:
    """Insert a job that ended then; ``ran`` and ``waited`` in seconds."""
    begun_at = finished_at - timedelta(seconds=ran)
    start_at = begun_at - timedelta(seconds=waited)
    times = {"start_at": start_at, "started_at": begun_at, "begun_at": begun_at, "finished_at": finished_at}
    return make_job(status=status, **{**times, **what_matters})
