"""Cancels a job."""

from functools import partial
from typing import Final

from django.db import models, transaction

from ... import conf
from ...actors import SYSTEM, Actor
from ...db.connection import jobs_connection
from ...exceptions import JobNotFound, TransitionRefused
from ...lifecycle import transitions
from ...lifecycle.finished import send_job_finished
from ...models import BIGGEST_ID, Job
from ...status import Status
from ..at_once import AtOnce
from ..search.jobs import get_job
from ..tenants.projects import key_of
from ..validation import check_reason
from .transaction import command_transaction

# Each waits for the job's open chunk, and holds a thread meanwhile.
CANCELS: Final = AtOnce(2, problem="other cancels of this job wait")


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
        Busy: a chunk held the job for longer than ``JOBS["CANCEL_WAIT_SECONDS"]``, or two cancels of the job are
            under way in this process; nothing changed.
        ConcurrentChange: the host's own REPEATABLE READ or SERIALIZABLE transaction must be repeated.
        OutcomeUnknown: the database was lost at the commit; the job is cancelled or is not.
    """
    check_reason(reason)
    if not 0 < job_id <= BIGGEST_ID:
        raise JobNotFound(job_id)
    wait_seconds = conf.current().cancel_wait_seconds
    # By project too: by the ids of other tenants' jobs nobody can get in their way.
    with (
        CANCELS.one((key_of(project), job_id)),
        command_transaction(failpoint="cancel.committed", wait_seconds=wait_seconds),
    ):
        cancelled = transitions.cancel(job_id, project=project, actor=actor, reason=reason)
        job = cancelled or get_job(job_id, project=project)
        if cancelled:
            send = partial(send_job_finished, job_id, Status.CANCELLED)
            transaction.on_commit(send, using=jobs_connection().alias, robust=True)
    if not cancelled:
        raise TransitionRefused(job.pk, status=Status(job.status), wanted=Status.CANCELLED)
    return job
