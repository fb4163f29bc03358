"""Find and cancel jobs."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any, Final, cast

from django.db import Error as DjangoDatabaseError
from django.db import models, transaction
from django.db.models import QuerySet

from ... import conf, failpoints
from ...actors import SYSTEM, Actor
from ...db.clock import NOW
from ...db.connection import Trouble, classify, home, is_lock_timeout, service_transaction
from ...exceptions import Busy, ConcurrentChange, JobNotFound, JobsError, OutcomeUnknown, TransitionRefused
from ...lifecycle import transitions
from ...lifecycle.finished import announce_finish
from ...models import BIGGEST_ID, Job
from ...status import Status
from ..validation import check_text

MAX_REASON_CHARACTERS: Final = 500


def cancel_job(job_id: int, *, project: models.Model, actor: Actor = SYSTEM, reason: str = "") -> Job:
    """Cancel a job that waits or runs; from the commit on, none of its chunks commits.

    A running action notices at its next chunk and unwinds; what it had committed
    before stays done and is told in the job's receipt.

    Args:
        reason: at most 500 characters, empty for none; integrators see it in the event if a key of theirs gave it.

    Raises:
        InvalidField: the reason is blank though not empty, too long or has control characters.
        JobNotFound: the project has no such job.
        TransitionRefused: the job has already ended (also by an earlier cancel).
        Busy: a chunk held the job for longer than ``JOBS["CANCEL_WAIT_SECONDS"]``; nothing changed.
        ConcurrentChange: the host's own REPEATABLE READ or SERIALIZABLE transaction must be repeated.
        OutcomeUnknown: the database was lost at the commit; the job is cancelled or is not.
    """
    check_reason(reason)
    if not 0 < job_id <= BIGGEST_ID:
        raise JobNotFound(job_id)
    with change(then="cancel.committed", wait_seconds=conf.current().cancel_wait_seconds):
        won = transitions.cancel(job_id, project=project, actor=actor, reason=reason)
        job = get_job(job_id, project=project)
        if won:
            announce = partial(announce_finish, job_id, Status.CANCELLED)
            transaction.on_commit(announce, using=home().alias, robust=True)
    if not won:
        raise TransitionRefused(job.pk, status=Status(job.status), wanted=Status.CANCELLED)
    return job


def check_reason(reason: str) -> None:
    """Refuse a reason that could not be kept and shown; empty is none.

    Raises:
        InvalidField: it is blank though not empty, too long or has control characters.
    """
    if reason:
        check_text("reason", reason, max_characters=MAX_REASON_CHARACTERS)


def get_job(job_id: int, *, project: models.Model) -> Job:
    """Return one job of the project.

    Raises:
        JobNotFound: the project has no such job; any integer may be asked for.
    """
    return _get(job_id, Job.objects.in_project(project))


def look_at_job(job_id: int, *, project: models.Model) -> tuple[Job, datetime]:
    """Return one job of the project and the database's time at that look, in one query.

    Raises:
        JobNotFound: as :func:`get_job`.
    """
    job = _get(job_id, Job.objects.in_project(project).annotate(looked_at=NOW))
    return job, cast("Any", job).looked_at


def list_jobs(*, project: models.Model) -> QuerySet[Job]:
    """Return the project's jobs, newest first, to be filtered and sliced; no query is made yet."""
    return Job.objects.in_project(project).order_by("-pk")


def _get(job_id: int, jobs: QuerySet[Job]) -> Job:
    job = jobs.filter(pk=job_id).first() if 0 < job_id <= BIGGEST_ID else None
    if job is None:
        raise JobNotFound(job_id)
    return job


@contextmanager
def change(*, then: str, wait_seconds: float | None = None) -> Iterator[None]:
    """Commit what the block does, and reach the place ``then``; tell by a typed error what trouble means to callers."""
    within_host = home().in_atomic_block
    is_commit_asked = False
    try:
        with service_transaction(wait_seconds=wait_seconds):
            yield
            is_commit_asked = not within_host
        failpoints.reach(then)  # an error there is an answer to the COMMIT that was lost
    except DjangoDatabaseError as error:
        trouble = classify(error)
        if trouble is Trouble.CONFLICT:
            raise _conflict(error, within_host) from error
        if trouble is Trouble.OUTAGE and is_commit_asked:
            raise OutcomeUnknown from error
        raise


def _conflict(error: DjangoDatabaseError, within_host: bool) -> JobsError:
    """Return the typed form of an error by which another transaction was in the way."""
    # A lock that was not free in time spoils nothing; any other conflict has spoilt the host's whole transaction.
    return ConcurrentChange() if within_host and not is_lock_timeout(error) else Busy()
