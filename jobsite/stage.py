"""The jobs that the demo finds in its admin: one in every status, each got there by the engine itself."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from django.utils import timezone

from jobs import Status, cancel_job, conf, list_jobs, schedule_job
from jobs.actors import Actor
from jobs.db.connection import engine_statement, engine_transaction
from jobs.exceptions import RowsLeft, TransitionRefused
from jobs.execution.context import JobContext
from jobs.execution.leases import Lease
from jobs.execution.runner import run
from jobs.lifecycle import transitions
from jobs.lifecycle.statements import Fence
from jobs.models import Job
from jobs.status import ACTIVE
from jobsite.models import Session, SessionEvent
from jobsite.seed import MAIN_USERS, STAGED_USERS, restore

ACTION: Final = "delete_user_data"
WORKER: Final = Actor(kind="worker", name="demo:1:staged")
LOST_WORKER: Final = Actor(kind="worker", name="demo:2:lost-on-purpose")


class TakenByWorker(Exception):
    """A worker runs already, and was faster than we; it will do the job its own way."""


def stage_jobs(project: Any, *, sessions: int) -> None:
    """See to it that the project has a job in every status, and none that waits or runs for a main user.

    Whoever an erase is about, or soon will be, has their share of ``sessions`` before it.
    """
    for user in MAIN_USERS:
        _make_room(project, user, sessions)
    for status, scene in SCENES.items():
        if find_staged(project, status) is None:
            _make_room(project, STAGED_USERS[status], sessions)
            with suppress(TakenByWorker):
                scene(project, STAGED_USERS[status])


def _make_room(project: Any, user: str, sessions: int) -> None:
    """Cancel what waits or runs for the user, and give back what was erased."""
    for job in list_jobs(project=project).filter(reference_id=user, status__in=ACTIVE):
        # Refused: it has ended just now.
        with suppress(TransitionRefused):
            cancel_job(job.pk, project=project, reason="The demo was set up anew.")
    restore(project, user, total=sessions)


def find_staged(project: Any, status: Status) -> Job | None:
    """Return the newest job in ``status``; a scheduled one only if it stays so for an hour."""
    jobs = list_jobs(project=project).filter(status=status)
    if status is Status.SCHEDULED:
        jobs = jobs.filter(due_at__gt=timezone.now() + timedelta(hours=1))
    return jobs.first()


def _schedule(project: Any, user: str) -> None:
    """Ask for an erase with a day of grace."""
    schedule_job(ACTION, project=project, reference_id=user, start_at=timezone.now() + timedelta(days=1))


def _begin(project: Any, user: str, worker: Actor = WORKER) -> tuple[Job, Lease]:
    """Ask for an erase and claim it, as a worker does."""
    asked = schedule_job(ACTION, project=project, reference_id=user, start_at=timezone.now())
    token = uuid4()
    with engine_transaction():
        ids, lease = [asked.pk], conf.current().lease
        claimed = transitions.claim(ids, lease_token=token, worker=worker, lease=lease, begun_ids=ids)
    if not claimed:
        raise TakenByWorker
    return claimed[0], Lease(fence=Fence(job_id=asked.pk, lease_token=token))


def _erase_a_part(job: Job, lease: Lease) -> None:
    """Commit what an erase begins with: the count of the events, then a chunk of them, half of all."""
    sessions = Session.objects.filter(project=job.project, user_id=job.reference_id)
    events = SessionEvent.objects.filter(session__in=sessions)
    context = JobContext(job, lease=lease)
    with context.chunk() as chunk:
        chunk.found["events"] = chunk.remaining = found = events.count()
    with context.chunk() as chunk:
        keys = list(events.values_list("pk", flat=True)[: (found + 1) // 2])
        chunk.add("events", SessionEvent.objects.filter(pk__in=keys).delete()[0])


def _run_to_the_end(project: Any, user: str) -> None:
    job, lease = _begin(project, user)
    run(job, lease=lease, worker=WORKER, then=lambda: None)


def _fail(project: Any, user: str) -> None:
    """Fail as an erase does that others keep adding rows to."""
    job, lease = _begin(project, user)
    _erase_a_part(job, lease)
    with engine_statement():
        transitions.fail(lease.fence, errors=str(RowsLeft(("events",))), worker=WORKER)


def _cancel_half_way(project: Any, user: str) -> None:
    job, lease = _begin(project, user)
    _erase_a_part(job, lease)
    cancel_job(job.pk, project=project, reason="Asked for by mistake.")


def _lose_the_worker(project: Any, user: str) -> None:
    """Leave the job running in a worker that is no more; the next worker rescues and finishes it within 75 s."""
    _erase_a_part(*_begin(project, user, LOST_WORKER))


SCENES: Final[dict[Status, Callable[[Any, str], None]]] = {
    Status.COMPLETED: _run_to_the_end,
    Status.FAILED: _fail,
    Status.CANCELLED: _cancel_half_way,
    Status.SCHEDULED: _schedule,
    Status.RUNNING: _lose_the_worker,
}
