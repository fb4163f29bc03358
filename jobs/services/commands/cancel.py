"""Cancels a job."""

from functools import partial

from django.db import models, transaction

from ... import conf
from ...actors import SYSTEM, Actor
from ...db.connection import jobs_connection
from ...exceptions import JobNotFound, TransitionRefused
from ...lifecycle import transitions
from ...lifecycle.finished import send_job_finished
from ...models import BIGGEST_ID, Job
from ...status import Status
from ..search.jobs import get_job
from ..validation import check_reason
from .transaction import command_transaction


def cancel_job(job_id: int, *, project: models.Model, actor: Actor = SYSTEM, reason: str = "") -> Job:
    """Cancel a job that waits or runs; from the commit on, none of its chunks commits.

    A running action stops at its next chunk and unwinds; what it had committed
    before stays done, and the job's receipt counts it.

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
    with command_transaction(failpoint="cancel.committed", wait_seconds=conf.current().cancel_wait_seconds):
        won = transitions.cancel(job_id, project=project, actor=actor, reason=reason)
        job = get_job(job_id, project=project)
        if won:
            send = partial(send_job_finished, job_id, Status.CANCELLED)
            transaction.on_commit(send, using=jobs_connection().alias, robust=True)
    if not won:
        raise TransitionRefused(job.pk, status=Status(job.status), wanted=Status.CANCELLED)
    return job
