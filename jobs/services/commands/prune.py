"""Prunes jobs that ended long ago: redacts or deletes them; and empties a project that is to be deleted."""

import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from django.db import models
from django.db.models import Count, ProtectedError, Q, RestrictedError

from ... import conf
from ...actors import SYSTEM
from ...db import clock
from ...db.connection import jobs_connection, limited_transaction, supports_row_locks
from ...exceptions import Busy, InvalidField, JobNotFound, TransitionRefused
from ...lifecycle import transitions
from ...lifecycle.finished import send_job_finished
from ...models import Job, JobEvent, JobQuerySet
from ...models.job import FINAL
from ...models.locks import unlocked
from ...stats import block_counts
from ...status import ACTIVE, Status
from .cancel import cancel_job

logger = logging.getLogger(__name__)

DEFAULT_BATCH_SIZE: Final = 500
BIGGEST_BATCH_SIZE: Final = 5_000
ROWS_PER_QUERY: Final = 2_000
# The sleep between two batches. On SQLite it is longer than the 100 ms after which a waiting writer tries again.
PAUSE_SECONDS: Final = 0.01
SQLITE_PAUSE_SECONDS: Final = 0.11

# No job has an empty reference, so it marks redacted ones.
REDACTED: Final[dict[str, Any]] = {
    "reference_id": "",
    "unique_key": None,
    "description": "",
    "parameters": None,
    "errors": None,
    # Whoever guesses the idempotency key, which may be the reference, could test the guess by these.
    "call_digest": None,
    "call_body": None,
    "call_index": None,
}
REDACTED_EVENT: Final = {"note": "", "detail": "", "request_id": ""}


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """What a run did: jobs ``done`` and their ``events``.

    ``kept`` are jobs that are locked, were not yet cancelled, or that rows of the host refer to. ``cancelled`` are
    those that waited or ran in a project that was emptied.
    """

    before: datetime
    done: int = 0
    cancelled: int = 0
    events: int = 0
    kept: int = 0


def pruned_before() -> datetime:
    """Return the instant before which a job must have ended to be pruned: ``JOBS["RETENTION_DAYS"]`` ago.

    Raises:
        InvalidField: the setting is None, so jobs are kept for ever.
    """
    retention = conf.current().retention
    if retention is None:
        raise InvalidField("RETENTION_DAYS", "is not set in JOBS, so jobs are kept for ever")
    return clock.read(jobs_connection()) - retention


def count_to_redact(before: datetime) -> int:
    """Return how many jobs :func:`redact_jobs` would redact."""
    return _to_redact(before).count()


def count_to_delete(before: datetime) -> int:
    """Return how many jobs :func:`delete_jobs` would delete, protected ones included; reads every old row."""
    return sum(len(ids) for ids in _old_ids(before, BIGGEST_BATCH_SIZE))


def redact_jobs(before: datetime, *, batch_size: int = DEFAULT_BATCH_SIZE) -> Pruned:
    """Blank what may be personal data in jobs that ended before an instant, and in their events.

    Blanked are reference, description, parameters, errors and what identifies an idempotent request, which then
    creates a job anew; notes, tracebacks and request ids. Action, status, times, attempts, receipt and actors remain.
    Each batch is one transaction, so a run that was cut short can be repeated; jobs that others have locked are left
    to the next run.
    """
    _check_batch_size(batch_size)
    done = events = 0
    while ids := list(_to_redact(before).order_by("finished_at", "pk").values_list("pk", flat=True)[:batch_size]):
        with limited_transaction():
            ended = unlocked(Job.objects.filter(pk__in=ids, status__in=FINAL))
            redacted = ended.update(**REDACTED)
            events += JobEvent.objects.using(jobs_connection().alias).filter(job__in=ended).update(**REDACTED_EVENT)
        if not redacted:
            break
        done += redacted
        _sleep_between_batches()
    return Pruned(before=before, done=done, events=events)


def delete_jobs(before: datetime, *, batch_size: int = DEFAULT_BATCH_SIZE) -> Pruned:
    """Delete jobs that ended before an instant, also redacted ones, with their events.

    Batches as in :func:`redact_jobs`. A job that a row of the host refers to with PROTECT or RESTRICT is kept.
    """
    _check_batch_size(batch_size)
    return _delete_batches(_old_ids(before, batch_size), Pruned(before=before))


def count_in_project(project: models.Model) -> tuple[int, int]:
    """Return how many jobs of a project :func:`empty_project` would delete, and how many of these wait or run."""
    counts = Job.objects.in_project(project).aggregate(all=Count("pk"), active=Count("pk", filter=Q(status__in=ACTIVE)))
    return counts["all"], counts["active"]


def empty_project(project: models.Model, *, batch_size: int = DEFAULT_BATCH_SIZE) -> Pruned:
    """Cancel the jobs of a project that wait or run, then delete all its jobs, whatever the retention is.

    Jobs that are added meanwhile are left alone. Batches as in :func:`redact_jobs`; the job of an open chunk is
    cancelled after that chunk, if that ends within ``JOBS["CANCEL_WAIT_SECONDS"]``.
    """
    _check_batch_size(batch_size)
    now = clock.read(jobs_connection())
    jobs = Job.objects.in_project(project)
    jobs = jobs.filter(pk__lte=jobs.order_by("-pk").values_list("pk", flat=True).first() or 0)
    cancelled = sum(_cancel(ids, project) for ids in _batches(jobs.active(), batch_size))
    pruned = _delete_batches(_batches(jobs, batch_size), Pruned(before=now, cancelled=cancelled))
    key = getattr(project, "key", "")
    logger.info("project=%s was emptied: %d jobs cancelled, %d deleted", key, pruned.cancelled, pruned.done)
    return pruned


def _cancel(ids: list[int], project: models.Model) -> int:
    """Cancel jobs; return how many. One that is locked is tried again alone, with a wait."""
    who: dict[str, Any] = {"actor": SYSTEM, "reason": "The project is emptied."}
    with limited_transaction():
        done = transitions.cancel_many(ids, **who)
    for job_id in done:
        send_job_finished(job_id, Status.CANCELLED)
    cancelled = len(done)
    for job_id in sorted(set(ids) - set(done)):
        with suppress(Busy, JobNotFound, TransitionRefused):
            cancel_job(job_id, project=project, **who)
            cancelled += 1
    _sleep_between_batches()
    return cancelled


def _batches(jobs: JobQuerySet, batch_size: int) -> Iterator[list[int]]:
    """Yield the ids of jobs of one project, ascending."""
    last = 0
    while ids := list(jobs.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:batch_size]):
        yield ids
        last = ids[-1]


def _delete_batches(batches: Iterator[list[int]], pruned: Pruned) -> Pruned:
    counts, kept = Counter[str](), 0
    for ids in batches:
        deleted = _delete(ids)
        if deleted is None:
            deleted = Counter()
            for job_id in ids:
                deleted += _delete([job_id]) or Counter()
        counts += deleted
        kept += len(ids) - deleted[Job._meta.label]
        _sleep_between_batches()
    return replace(pruned, done=counts[Job._meta.label], events=counts[JobEvent._meta.label], kept=kept)


def _delete(ids: list[int]) -> Counter[str] | None:
    """Delete jobs with their events; return how many rows of each model, or None if one of the jobs is protected."""
    try:
        with limited_transaction():
            old = unlocked(Job.objects.filter(pk__in=ids, status__in=FINAL))
            block_counts.forget(old.values_list("project_id", "pk"))
            return Counter(old.delete()[1])
    except (ProtectedError, RestrictedError):
        return None


def _to_redact(before: datetime) -> models.QuerySet[Job]:
    return Job.objects.filter(finished_at__lt=before).exclude(reference_id="")


def _old_ids(before: datetime, batch_size: int) -> Iterator[list[int]]:
    """Yield the ids of jobs that ended before an instant, ascending, in batches.

    A job ends after it was created, and ids are nearly in the order of creation: the search is over when
    ``ROWS_PER_QUERY`` jobs in a row were created too late.
    """
    last = 0
    while True:
        rows = list(
            Job.objects.filter(pk__gt=last)
            .order_by("pk")
            .values_list("pk", "created_at", "finished_at")[:ROWS_PER_QUERY]
        )
        ids = [pk for pk, _, finished_at in rows if finished_at is not None and finished_at < before]
        yield from (ids[start : start + batch_size] for start in range(0, len(ids), batch_size))
        if len(rows) < ROWS_PER_QUERY or all(created_at >= before for _, created_at, _ in rows):
            return
        last = rows[-1][0]


def _sleep_between_batches() -> None:
    time.sleep(PAUSE_SECONDS if supports_row_locks(jobs_connection()) else SQLITE_PAUSE_SECONDS)


def _check_batch_size(batch_size: int) -> None:
    if not 1 <= batch_size <= BIGGEST_BATCH_SIZE:
        raise InvalidField("batch_size", f"must be from 1 to {BIGGEST_BATCH_SIZE:,}")
