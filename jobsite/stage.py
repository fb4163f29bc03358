"""The demo's own jobs: one in every status, for visitors to read, cancel and follow."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from django.db import transaction
from django.utils import timezone

from jobs import Status, cancel_job, list_jobs, schedule_job
from jobs.exceptions import RowsLeft, TransitionRefused
from jobs.models import Job, JobEvent
from jobs.status import ACTIVE
from jobsite.example_jobs import ACTION, make_events, make_job, make_receipt
from jobsite.models import Session, SessionEvent
from jobsite.seed import MAIN_USERS, STAGED_USERS, restore

WORKER: Final = "demo:1:staged"
LOST_WORKER: Final = "demo:2:lost-on-purpose"
# As long as a worker's lease is by default.
LEASE: Final = timedelta(seconds=45)


def stage_jobs(project: Any, *, sessions: int) -> None:
    """Give the project a job in every status where it has none, and end what waits or runs for a main user.

    Users whom a job is about, or soon will be, have their share of ``sessions`` before it.
    """
    for user in MAIN_USERS:
        _reset(project, user, sessions)
    for status, stage in STAGES.items():
        if find_staged(project, status) is None:
            _reset(project, STAGED_USERS[status], sessions)
            stage(project, STAGED_USERS[status])


def _reset(project: Any, user: str, sessions: int) -> None:
    """Cancel what waits or runs for the user, and restore the sessions that were erased."""
    for job in list_jobs(project=project).filter(reference_id=user, status__in=ACTIVE):
        with suppress(TransitionRefused):  # it has ended just now
            cancel_job(job.pk, project=project, reason="The demo was set up anew.")
    restore(project, user, total=sessions)


def find_staged(project: Any, status: Status) -> Job | None:
    """Return the newest job in ``status``; a scheduled one only if it stays so for an hour."""
    jobs = list_jobs(project=project).filter(status=status)
    if status is Status.SCHEDULED:
        jobs = jobs.filter(due_at__gt=timezone.now() + timedelta(hours=1))
    return jobs.first()


def _schedule(project: Any, user: str) -> None:
    schedule_job(ACTION, project=project, reference_id=user, start_at=timezone.now() + timedelta(days=1))


def _complete(project: Any, user: str) -> None:
    """Erase the user's sessions, and write the job that has done so."""
    now = timezone.now()
    sessions = Session.objects.filter(project=project, user_id=user)
    events = SessionEvent.objects.filter(session__in=sessions)
    with transaction.atomic():
        found = events.count() + sessions.count()
        receipt = make_receipt(Status.COMPLETED, events=events.count(), sessions=sessions.count(), at=now)
        events.delete()
        sessions.delete()
        done = {"progress_done": found, "progress_total": found, "finished_at": now}
        _write_job(project, user, status=Status.COMPLETED, at=now, receipt=receipt, **done)


def _fail(project: Any, user: str) -> None:
    """Write an erase that failed as rows were added while it ran."""
    errors = str(RowsLeft(("events",)))
    _write_half_done(project, user, status=Status.FAILED, errors=errors, finished_at=timezone.now())


def _cancel(project: Any, user: str) -> None:
    job = _write_half_done(project, user, status=Status.RUNNING)
    cancel_job(job.pk, project=project, reason="Asked for by mistake.")


def _lose_worker(project: Any, user: str) -> None:
    """Leave an erase running without a worker; the next worker rescues and completes it within 75 s."""
    _write_half_done(project, user, status=Status.RUNNING, worker=LOST_WORKER)


def _write_half_done(project: Any, user: str, *, status: Status, worker: str = WORKER, **columns: Any) -> Job:
    """Erase half of the user's events, and write the job that has done so in its first attempt."""
    now = timezone.now()
    events = SessionEvent.objects.filter(session__in=Session.objects.filter(project=project, user_id=user))
    if status is Status.RUNNING:
        columns |= {"lease_token": uuid4(), "lease_expires_at": now + LEASE}
    with transaction.atomic():
        found = events.count()
        half = list(events.values_list("pk", flat=True)[: (found + 1) // 2])
        done, _ = SessionEvent.objects.filter(pk__in=half).delete()
        columns |= {"progress_done": done, "progress_total": found}
        receipt = make_receipt(status, events=found, done=done, at=now)
        return _write_job(project, user, status=status, at=now, worker=worker, receipt=receipt, **columns)


def _write_job(project: Any, user: str, *, status: Status, at: datetime, worker: str = WORKER, **columns: Any) -> Job:
    """Write a job of one attempt, which was created and has done all it did at one instant; and its events."""
    times = ("created_at", "start_at", "due_at", "started_at", "begun_at", "updated_at", "progress_at")
    same = dict.fromkeys(times, at)
    job = make_job(user, status=status, project=project, attempt=1, worker=worker, **{**same, **columns})
    job.save()
    JobEvent.objects.bulk_create(make_events(job, note=job.errors or ""))
    return job


STAGES: Final[dict[Status, Callable[[Any, str], None]]] = {
    Status.COMPLETED: _complete,
    Status.FAILED: _fail,
    Status.CANCELLED: _cancel,
    Status.SCHEDULED: _schedule,
    Status.RUNNING: _lose_worker,
}
