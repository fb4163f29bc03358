"""The days before the demo: ended jobs of some customers, written as rows, as the past cannot be scheduled."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final, cast

from django.db import transaction
from django.utils import timezone

from jobs import Status, get_project_model, schedule_job
from jobs.actors import SYSTEM
from jobs.models import Job, JobEvent
from jobs.services.commands.interventions import hold_job
from jobs.services.tenants.projects import create_project
from jobsite.seed import FIRST_NAMES, LAST_NAMES

ACTION: Final = "delete_user_data"
CUSTOMERS: Final = (("Northwind Media", "Newsroom"), ("Northwind Media", "Podcasts"), ("Aster Travel", "Bookings"))
ENDED: Final = 420
DAYS: Final = 7
WORKERS: Final = ("worker-a:17:5b2e", "worker-b:17:c901")
HELD: Final = {"olga.lange@example.org": "A legal hold, until counsel has answered."}
TRACEBACK: Final = """Traceback (most recent call last):
  File "jobs/execution/runner.py", line 121, in _run
    action.run(context)
  File "jobsite/job_actions.py", line 19, in delete_user_data
    job.erase("events", SessionEvent.objects.filter(session__in=sessions))
  File "jobs/execution/chunks.py", line 88, in erase
    deleted = delete(keys)
django.db.utils.OperationalError: could not extend file: No space left on device"""
NO_SPACE: Final = "The job failed for an internal reason (reference 5f0c21d9)."
ROWS_LEFT: Final = "Rows of events were added while they were erased; some are left."
REASONS: Final = ("The user withdrew the request.", "Asked for twice.", "")


@dataclass(frozen=True, kw_only=True)
class Past:
    """A job of the past and what happened to it."""

    job: Job
    events: list[JobEvent]


def write_history() -> bool:
    """Give the customers their jobs; False: they have some, and were left alone."""
    projects = [_find_or_create(organization, name) for organization, name in CUSTOMERS]
    if Job.objects.filter(project__in=projects).exists():
        return False
    with transaction.atomic():
        pasts = list(_past(projects, timezone.now()))
        Job.objects.bulk_create([past.job for past in pasts])
        JobEvent.objects.bulk_create([event for past in pasts for event in past.events])
        _chain([past.job for past in pasts if past.job.status == Status.FAILED])
    for reference, reason in HELD.items():
        start_at = timezone.now() + timedelta(days=1)
        held = schedule_job(ACTION, project=projects[0], reference_id=reference, start_at=start_at)
        hold_job(held.pk, project=projects[0], actor=SYSTEM, reason=reason)
    return True


def _find_or_create(organization: str, name: str) -> Any:
    model = cast("Any", get_project_model())
    found = model.objects.filter(organization__name=organization, name=name).first()
    return found or create_project(name, organization=organization)


def _past(projects: list[Any], now: datetime) -> Iterator[Past]:
    """Return jobs that ended in the last days, oldest first: many by day, few by night, more of late."""
    chance = random.Random("history")  # noqa: S311 – repeatable by intent
    spans = (timedelta(days=DAYS) * chance.random() ** 1.5 + timedelta(seconds=40) for _ in range(2 * ENDED))
    ends = [at for at in (now - span for span in spans) if 6 <= at.hour < 22 or chance.random() < 0.25]
    for at in sorted(ends[:ENDED]):
        yield _ended(chance, chance.choice(projects), at)


def _ended(chance: random.Random, project: Any, at: datetime) -> Past:
    """Return a job that ended then, one in twelve failed, one in nine cancelled."""
    status = chance.choices([Status.COMPLETED, Status.FAILED, Status.CANCELLED], [29, 3, 4])[0]
    user = f"{chance.choice(FIRST_NAMES)}.{chance.choice(LAST_NAMES)}@example.org"
    ran = timedelta(seconds=chance.lognormvariate(2.2, 0.9))
    begun = at - ran
    attempts = 3 if status is Status.FAILED else 1
    first = begun - timedelta(minutes=2 * (attempts - 1))
    start = first - timedelta(seconds=chance.lognormvariate(0.7, 0.8))
    found = int(ran.total_seconds() * chance.uniform(300, 900)) + 1
    done = found if status is Status.COMPLETED else int(found * chance.uniform(0.1, 0.9))
    crowded = status is Status.FAILED and chance.random() < 0.5
    errors = (ROWS_LEFT if crowded else NO_SPACE) if status is Status.FAILED else None
    job = Job(
        project=project,
        action=ACTION,
        reference_id=user,
        unique_key=user,
        status=status.value,
        description=f"Delete user sessions of userId = {user}",
        errors=errors,
        attempt=attempts,
        created_at=start - timedelta(hours=chance.randint(0, 6)),
        start_at=start,
        due_at=start,
        started_at=first,
        begun_at=begun,
        finished_at=at,
        updated_at=at,
        worker=chance.choice(WORKERS),
        failures=attempts - 1 if attempts > 1 else 0,
        progress_done=done,
        progress_total=found,
        progress_at=at,
        receipt=_receipt(status, found, done, at),
    )
    return Past(job=job, events=_events(job, chance.choice(REASONS), "" if crowded else TRACEBACK))


def _receipt(status: Status, found: int, done: int, at: datetime) -> dict[str, Any]:
    """Return what was found, done and left; after the last look of a job that completed, nothing."""
    if status is not Status.COMPLETED:
        return {"stores": {"events": {"found": found, "done": done, "left": None}}}
    stores = {"events": found, "sessions": found // 3}
    return {
        "stores": {store: {"found": number, "done": number, "left": 0} for store, number in stores.items()},
        "verified_at": at.isoformat(),
    }


def _events(job: Job, reason: str, traceback: str) -> list[JobEvent]:
    """Return what happened to the job from its creation to its end."""
    what, worker = JobEvent.What, f"worker:{job.worker}"
    begun, ended = cast("datetime", job.begun_at), cast("datetime", job.finished_at)

    def event(at: datetime, what: str, was: str, to: str, attempt: int, actor: str, **more: str) -> JobEvent:
        return JobEvent(job=job, at=at, what=what, from_status=was, to_status=to, attempt=attempt, actor=actor, **more)

    events = [event(job.created_at, what.SCHEDULED, "", "scheduled", 0, "key:jsk_7Qm2xVb4")]
    for attempt in range(1, job.attempt + 1):
        claimed = begun - timedelta(minutes=2 * (job.attempt - attempt))
        events.append(event(claimed, what.CLAIMED, "scheduled", "running", attempt, worker))
        if attempt < job.attempt:
            retry = {"note": job.errors or "", "detail": traceback}
            events.append(
                event(claimed + timedelta(seconds=9), what.RETRYING, "running", "scheduled", attempt, worker, **retry)
            )
    by = "key:jsk_7Qm2xVb4" if job.status == Status.CANCELLED else worker
    told = {"note": reason} if job.status == Status.CANCELLED else {}
    if job.status == Status.FAILED:
        told = {"note": job.errors or "", "detail": traceback}
    return [*events, event(ended, job.status, "running", job.status, job.attempt, by, **told)]


def _chain(failed: list[Job]) -> None:
    """Let the latest failures be one request that was tried again and again."""
    for first, again in pairwise(failed[-3:]):
        Job.objects.filter(pk=again.pk).update(
            retry_of=first,
            project=failed[-3].project,
            reference_id=failed[-3].reference_id,
            description=failed[-3].description,
            unique_key=failed[-3].unique_key,
        )
