"""Interventions of staff in one job that waits: hold it, resume it, run it now."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from django.db import models

from ... import conf
from ...actors import SYSTEM, Actor
from ...db.notify import notify_due
from ...exceptions import Busy, JobNotFound, StepRefused
from ...lifecycle import transitions
from ...models import BIGGEST_ID, Job
from ...status import RefusalReason, Status
from ..search.jobs import get_job_and_time
from ..validation import check_reason
from .transaction import command_transaction

TRIES: Final = 3


def hold_job(job_id: int, *, project: models.Model, actor: Actor = SYSTEM, reason: str = "") -> Job:
    """Keep a job that waits from being run until it is resumed; it can be cancelled meanwhile.

    Args:
        reason: at most 500 characters, empty for none; kept in the event, for staff.

    Raises:
        InvalidField: the reason is blank though not empty, too long or has control characters.
        JobNotFound: the project has no such job.
        StepRefused: it runs, has ended or is held already.
        Busy: another transaction held the job for longer than ``JOBS["CANCEL_WAIT_SECONDS"]``; nothing changed.
        ConcurrentChange: the host's own REPEATABLE READ or SERIALIZABLE transaction must be repeated.
        OutcomeUnknown: the database was lost at the commit; the change was made or was not.
    """

    def why_not(job: Job, _: datetime) -> RefusalReason | None:
        return RefusalReason.HELD if job.is_held else None

    return _intervene(job_id, transitions.hold, why_not, project=project, actor=actor, reason=reason)


def resume_job(job_id: int, *, project: models.Model, actor: Actor = SYSTEM, reason: str = "") -> Job:
    """Let a held job be run: at its start, or at once if that is past.

    Raises:
        StepRefused: it runs, has ended or is not held.
        Further errors as in :func:`hold_job`, which also says what a reason may be.
    """

    def why_not(job: Job, _: datetime) -> RefusalReason | None:
        return None if job.is_held else RefusalReason.NOT_HELD

    return _intervene(job_id, transitions.resume, why_not, project=project, actor=actor, reason=reason, wakes=True)


def run_job_now(job_id: int, *, project: models.Model, actor: Actor = SYSTEM, reason: str = "") -> Job:
    """Let a job that waits for its start, or for its next attempt, be claimed now; ``start_at`` stays.

    Raises:
        StepRefused: it runs, has ended, is held, or is due already and waits for its turn.
        Further errors as in :func:`hold_job`, which also says what a reason may be.
    """

    def why_not(job: Job, now: datetime) -> RefusalReason | None:
        if job.is_held:
            return RefusalReason.HELD
        return RefusalReason.DUE_ALREADY if job.due_at <= now else None

    return _intervene(job_id, transitions.advance, why_not, project=project, actor=actor, reason=reason, wakes=True)


def _intervene(
    job_id: int,
    transition: Callable[..., bool],
    why_not: Callable[[Job, datetime], RefusalReason | None],
    *,
    project: models.Model,
    actor: Actor,
    reason: str,
    wakes: bool = False,
) -> Job:
    """Make the transition; if it is refused, read the job to say why; if that shows no reason, try again."""
    check_reason(reason)
    if not 0 < job_id <= BIGGEST_ID:
        raise JobNotFound(job_id)
    with command_transaction(failpoint="intervention.committed", wait_seconds=conf.current().cancel_wait_seconds):
        for _ in range(TRIES):
            won = transition(job_id, project=project, actor=actor, reason=reason)
            job, now = get_job_and_time(job_id, project=project)
            why = None if won else _why_no_intervention(job) or why_not(job, now)
            if won or why is not None:
                break
        if won and wakes:
            notify_due()
    if won:
        return job
    if why is None:  # the job changed in between each time
        raise Busy
    raise StepRefused(job.pk, why=why, status=Status(job.status))


def _why_no_intervention(job: Job) -> RefusalReason | None:
    """Return why no intervention is possible; None: the job waits."""
    if Status(job.status).is_final:
        return RefusalReason.ENDED
    return RefusalReason.RUNNING if job.status == Status.RUNNING else None
