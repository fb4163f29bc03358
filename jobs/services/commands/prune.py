"""Prunes jobs that ended long ago: redacts or deletes them."""

import time
from collections import Counter
from collections.abc import Iterator
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
}
REDACTED_EVENT: Final = {"note": "", "detail": "", "request_id": ""}


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """What a run did: jobs ``done`` and their ``events``; ``kept`` are jobs that rows of the host refer to."""

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
    """Blank what may be personal data in jobs that ended before an instant, and in their events.

    Blanked are reference, description, parameters and errors; notes, tracebacks and request ids. Action, status,
    times, attempts, receipt and actors remain. Each batch is one transaction, so a run that was cut short can be
    repeated; jobs that others have locked are left to the next run.
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
    counts, kept = Counter[str](), 0
    for ids in _old_ids(before, batch_size):
        deleted = _delete(ids)
        if deleted is None:
            deleted = Counter()
            for job_id in ids:
                deleted += _delete([job_id]) or Counter()
        counts += deleted
        kept += len(ids) - deleted[Job._meta.label]
        _sleep_between_batches()
    return Pruned(before=before, done=counts[Job._meta.label], events=counts[JobEvent._meta.label], kept=kept)


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
