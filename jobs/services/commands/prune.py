"""Records do not outlive their purpose: redact or delete jobs that ended long ago."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import models
from django.db.models import ProtectedError, RestrictedError

from ... import conf
from ...db import clock
from ...db.connection import jobs_connection, limited_transaction, supports_row_locks
from ...exceptions import InvalidField
from ...models import Job, JobEvent
from ...models.job import FINAL
from ...models.locks import unlocked
from ...stats import block_counts

DEFAULT_BATCH_SIZE: Final = 500
BIGGEST_BATCH_SIZE: Final = 5_000
ROWS_A_LOOK: Final = 2_000
# Between two batches, outside transactions. SQLite's lock has no queue: whoever waits tries every 100 ms.
PAUSE_SECONDS: Final = 0.01
PAUSE_ON_ONE_LOCK_SECONDS: Final = 0.11

# An empty reference is none that a job can have, so it marks what was redacted.
REDACTED: Final[dict[str, Any]] = {
    "reference_id": "",
    "unique_key": None,
    "description": "",
    "parameters": None,
    "errors": None,
}
REDACTED_EVENT: Final = {"note": "", "detail": "", "request_id": ""}


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """What a run did: jobs ``done`` with, their ``events``, and jobs ``kept`` as rows of the host refer to them."""

    before: datetime
    done: int = 0
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
    """Blank what jobs that ended before an instant say about people, and the texts of their events.

    That is reference, description, parameters and errors; notes, tracebacks and request ids.

    What remains says what was done, when and how much, but not about whom: action, status,
    times, attempts, receipt, and who changed the status. Each batch commits by itself,
    so that a run that was cut short is simply started again; rows that others have locked are
    left to the next run.
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
        _let_others()
    return Pruned(before=before, done=done, events=events)


def delete_jobs(before: datetime, *, batch_size: int = DEFAULT_BATCH_SIZE) -> Pruned:
    """Delete jobs that ended before an instant, with their events, receipts and all; redacted ones, too.

    Batches as in :func:`redact_jobs`. A job that a row of the host refers to and protects is kept.
    """
    _check_batch_size(batch_size)
    done = events = kept = 0
    for ids in _old_ids(before, batch_size):
        try:
            batches = [_delete(ids)]
        except (ProtectedError, RestrictedError):
            batches = [_attempt(_delete, [job_id]) for job_id in ids]
        done += sum(jobs for jobs, _ in batches)
        events += sum(of_them for _, of_them in batches)
        kept += len(ids) - sum(jobs for jobs, _ in batches)
        _let_others()
    return Pruned(before=before, done=done, events=events, kept=kept)


def _delete(ids: list[int]) -> tuple[int, int]:
    """Delete jobs; return how many, and how many events."""
    with limited_transaction():
        old = unlocked(Job.objects.filter(pk__in=ids, status__in=FINAL))
        block_counts.forget(old.values_list("project_id", "pk"))
        _, counts = old.delete()
    return counts.get(Job._meta.label, 0), counts.get(JobEvent._meta.label, 0)


def _attempt(delete: Callable[[list[int]], tuple[int, int]], ids: list[int]) -> tuple[int, int]:
    try:
        return delete(ids)
    except (ProtectedError, RestrictedError):
        return 0, 0


def _to_redact(before: datetime) -> models.QuerySet[Job]:
    return Job.objects.filter(finished_at__lt=before).exclude(reference_id="")


def _old_ids(before: datetime, batch_size: int) -> Iterator[list[int]]:
    """Walk through the jobs by id, and give the ids of those that ended before an instant, in batches.

    A job ends after it was created, and ids are in the order of creation but for overlaps of a
    moment: the walk is over where ``ROWS_A_LOOK`` in a row were created too late.
    """
    last = 0
    while True:
        rows = list(
            Job.objects.filter(pk__gt=last).order_by("pk").values_list("pk", "created_at", "finished_at")[:ROWS_A_LOOK]
        )
        ids = [pk for pk, _, finished_at in rows if finished_at is not None and finished_at < before]
        yield from (ids[start : start + batch_size] for start in range(0, len(ids), batch_size))
        if len(rows) < ROWS_A_LOOK or all(created_at >= before for _, created_at, _ in rows):
            return
        last = rows[-1][0]


def _let_others() -> None:
    time.sleep(PAUSE_SECONDS if supports_row_locks(jobs_connection()) else PAUSE_ON_ONE_LOCK_SECONDS)


def _check_batch_size(batch_size: int) -> None:
    if not 1 <= batch_size <= BIGGEST_BATCH_SIZE:
        raise InvalidField("batch_size", f"must be from 1 to {BIGGEST_BATCH_SIZE:,}")
