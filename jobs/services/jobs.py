"""Find and cancel jobs."""

from datetime import datetime
from typing import Any, Final, cast

from django.db import DatabaseError, models
from django.db.models import QuerySet

from .. import conf, failpoints, transitions
from ..actors import SYSTEM, Actor
from ..clock import NOW
from ..database import Trouble, classify, home, is_lock_timeout, service_transaction
from ..exceptions import Busy, ConcurrentChange, JobNotFound, JobsError, TransitionRefused
from ..models import BIGGEST_ID, Job
from ..status import Status
from .text import check_text

MAX_REASON_CHARACTERS: Final = 500


def cancel_job(job_id: int, *, project: models.Model, actor: Actor = SYSTEM, reason: str | None = None) -> Job:
    """Cancel a job that waits or runs; from the commit on, none of its chunks commits.

    A running action notices at its next chunk and unwinds; what it had committed
    before stays done and is told in the job's receipt.

    Args:
        reason: 1 to 500 characters, kept in the event; integrators see it only if a key of theirs gave it.

    Raises:
        InvalidField: the reason is blank, too long or has control characters.
        JobNotFound: the project has no such job.
        TransitionRefused: the job has already ended (also by an earlier cancel).
        Busy: a chunk held the job for longer than ``JOBS["CANCEL_WAIT_SECONDS"]``; nothing changed.
        ConcurrentChange: the host's own REPEATABLE READ or SERIALIZABLE transaction must be repeated.
    """
    if reason is not None:
        check_text("reason", reason, max_characters=MAX_REASON_CHARACTERS)
    if not 0 < job_id <= BIGGEST_ID:
        raise JobNotFound(job_id)
    within_host = home().in_atomic_block
    try:
        with service_transaction(wait_seconds=conf.current().cancel_wait_seconds):
            won = transitions.cancel(job_id, project=project, actor=actor, reason=reason or "")
            job = get_job(job_id, project=project)
    except DatabaseError as error:
        if classify(error) is not Trouble.CONFLICT:
            raise
        raise conflict_of(error, within_host) from error
    failpoints.reach("cancel.committed")
    if not won:
        raise TransitionRefused(job.pk, status=Status(job.status), wanted=Status.CANCELLED)
    return job


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


def conflict_of(error: DatabaseError, within_host: bool) -> JobsError:
    """Return the typed form of an error by which another transaction was in the way."""
    # A lock that was not free in time spoils nothing; any other conflict has spoilt the host's whole transaction.
    return ConcurrentChange() if within_host and not is_lock_timeout(error) else Busy()
