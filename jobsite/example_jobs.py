"""Rows of jobs as the engine would have left them: a past, and a lost worker, cannot be scheduled.

Only example data writes these rows by hand; a host leaves them to the verbs of ``jobs``.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from jobs import Status
from jobs.models import Job, JobEvent

ACTION: Final = "delete_user_data"
API_KEY: Final = "key:jsk_7Qm2xVb4"


def make_job(user: str, *, status: Status, **columns: Any) -> Job:
    """Return an erase of a user's sessions that is not stored yet."""
    description = f"Delete user sessions of userId = {user}"
    names = {"action": ACTION, "reference_id": user, "unique_key": user, "description": description}
    return Job(status=status.value, **names, **columns)


def make_receipt(status: Status, *, events: int, at: datetime, sessions: int = 0, done: int = 0) -> dict[str, Any]:
    """Return what was found and done; of a job that completed also the check that nothing is left."""
    if status is not Status.COMPLETED:
        return {"stores": {"events": {"found": events, "done": done, "left": None}}}
    stores = {"events": events, "sessions": sessions}
    return {
        "stores": {store: {"found": number, "done": number, "left": 0} for store, number in stores.items()},
        "verified_at": at.isoformat(),
    }


def make_events(job: Job, *, note: str, detail: str = "") -> list[JobEvent]:
    """Return the events of a job that was begun: from its creation to its end, if it has ended.

    ``note`` and ``detail`` say why it ended; attempts before the last failed for the same reason.
    """
    assert job.begun_at is not None  # noqa: S101 – for the type checker
    what, worker = JobEvent.What, f"worker:{job.worker}"
    why = {"note": note, "detail": detail}
    events = [_event(job, job.created_at, what.SCHEDULED, "", API_KEY, attempt=0)]
    for attempt in range(1, job.attempt + 1):
        claimed_at = job.begun_at - timedelta(minutes=2 * (job.attempt - attempt))
        events.append(_event(job, claimed_at, what.CLAIMED, "scheduled", worker, attempt=attempt))
        if attempt < job.attempt:
            failed_at = claimed_at + timedelta(seconds=9)
            events.append(_event(job, failed_at, what.RETRYING, "running", worker, attempt=attempt, **why))
    if job.finished_at is not None:
        by = API_KEY if job.status == Status.CANCELLED else worker
        events.append(_event(job, job.finished_at, job.status, "running", by, attempt=job.attempt, **why))
    return events


def _event(job: Job, at: datetime, what: str, was: str, actor: str, **columns: Any) -> JobEvent:
    status = {JobEvent.What.CLAIMED: "running", JobEvent.What.RETRYING: "scheduled"}.get(JobEvent.What(what), what)
    return JobEvent(job=job, at=at, what=what, from_status=was, to_status=status, actor=actor, **columns)
