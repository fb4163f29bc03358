"""The demo's past: jobs of some customers that ended in the last days, and held ones."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain, pairwise
from typing import Any, Final, cast

from django.db import transaction
from django.utils import timezone

from jobs import Status, create_project, get_project_model, hold_job, schedule_job
from jobs.models import Job, JobEvent
from jobsite.example_jobs import ACTION, make_events, make_job, make_receipt
from jobsite.seed import FIRST_NAMES, LAST_NAMES

CUSTOMERS: Final = (("Northwind Media", "Newsroom"), ("Northwind Media", "Podcasts"), ("Aster Travel", "Bookings"))
ENDED: Final = 420
DAYS: Final = 7
WORKERS: Final = ("worker-a:17:5b2e", "worker-b:17:c901")
HELD: Final = {"olga.lange@example.org": "A legal hold, until counsel has answered."}
TRACEBACK: Final = """Traceback (most recent call last):
  File "jobs/execution/runner.py", line 121, in _run
    action.run(context)
  File "jobs/erasure/running.py", line 50, in _run_store
    job.erase(store.name, rows.of_store(store), keep_hidden=True)
  File "jobs/execution/context.py", line 145, in erase
    deleted = delete(keys)
django.db.utils.OperationalError: could not extend file: No space left on device"""
NO_SPACE: Final = "The job failed for an internal reason (reference 5f0c21d9)."
ROWS_LEFT: Final = "Rows of events were added while they were erased; some are left."
REASONS: Final = ("The user withdrew the request.", "Asked for twice.", "")


def write_history() -> bool:
    """Give the customers their jobs; False: they have some, and were left alone."""
    projects = [find_or_create_project(organization, name) for organization, name in CUSTOMERS]
    if Job.objects.filter(project__in=projects).exists():
        return False
    with transaction.atomic():
        jobs, events = zip(*_ended_jobs(projects, timezone.now()), strict=True)
        Job.objects.bulk_create(jobs)
        JobEvent.objects.bulk_create(chain.from_iterable(events))
        _make_retries([job for job in jobs if job.status == Status.FAILED])
    for reference, reason in HELD.items():
        start_at = timezone.now() + timedelta(days=1)
        held = schedule_job(ACTION, project=projects[0], reference_id=reference, start_at=start_at)
        hold_job(held.pk, project=projects[0], reason=reason)
    return True


def find_or_create_project(organization: str, name: str) -> Any:
    """Return the organization's project of this name, made if there is none."""
    model = cast("Any", get_project_model())
    found = model.objects.filter(organization__name=organization, name=name).first()
    return found or create_project(name, organization=organization)


def _ended_jobs(projects: list[Any], now: datetime) -> Iterator[tuple[Job, list[JobEvent]]]:
    """Give jobs that ended in the last days and their events, oldest first: more by day than by night, more of late."""
    chance = random.Random("history")  # noqa: S311 – repeatable by intent
    spans = (timedelta(days=DAYS) * chance.random() ** 1.5 + timedelta(seconds=40) for _ in range(2 * ENDED))
    ends = [at for at in (now - span for span in spans) if 6 <= at.hour < 22 or chance.random() < 0.25]
    for at in sorted(ends[:ENDED]):
        yield _ended_job(chance, chance.choice(projects), at)


def _ended_job(chance: random.Random, project: Any, at: datetime) -> tuple[Job, list[JobEvent]]:
    """Return a job that ended then, with its events: one in twelve failed, one in nine was cancelled."""
    status = chance.choices([Status.COMPLETED, Status.FAILED, Status.CANCELLED], [29, 3, 4])[0]
    user = f"{chance.choice(FIRST_NAMES)}.{chance.choice(LAST_NAMES)}@example.org"
    ran = timedelta(seconds=chance.lognormvariate(2.2, 0.9))
    begun_at = at - ran
    attempts = 3 if status is Status.FAILED else 1
    first = begun_at - timedelta(minutes=2 * (attempts - 1))
    start_at = first - timedelta(seconds=chance.lognormvariate(0.7, 0.8))
    found = int(ran.total_seconds() * chance.uniform(300, 900)) + 1
    done = found if status is Status.COMPLETED else int(found * chance.uniform(0.1, 0.9))
    has_rows_left = status is Status.FAILED and chance.random() < 0.5
    errors = (ROWS_LEFT if has_rows_left else NO_SPACE) if status is Status.FAILED else None
    job = make_job(
        user,
        status=status,
        project=project,
        errors=errors,
        attempt=attempts,
        created_at=start_at - timedelta(hours=chance.randint(0, 6)),
        start_at=start_at,
        due_at=start_at,
        started_at=first,
        begun_at=begun_at,
        finished_at=at,
        updated_at=at,
        worker=chance.choice(WORKERS),
        failures=attempts - 1,
        progress_done=done,
        progress_total=found,
        progress_at=at,
        receipt=make_receipt(status, events=found, sessions=found // 3, done=done, at=at),
    )
    reason = chance.choice(REASONS) if status is Status.CANCELLED else ""
    detail = TRACEBACK if status is Status.FAILED and not has_rows_left else ""
    return job, make_events(job, note=errors or reason, detail=detail)


def _make_retries(failed: list[Job]) -> None:
    """Turn the latest three failures into one request that was retried twice."""
    for first, retry in pairwise(failed[-3:]):
        Job.objects.filter(pk=retry.pk).update(
            retry_of=first,
            project=failed[-3].project,
            reference_id=failed[-3].reference_id,
            description=failed[-3].description,
            unique_key=failed[-3].unique_key,
        )
