"""The interventions in a job that waits, for tests of all of them; and failed jobs, to be retried by staff."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from jobs.actors import Actor
from jobs.lifecycle import transitions
from jobs.models import Job, JobEvent
from jobs.services.commands.interventions import hold_job, resume_job, run_job_now
from jobs.services.commands.retry import retry_job
from jobs.status import RefusalReason, Status
from tests.support.factories import LONG_AGO, make_job
from tests.support.transitions import T

STAFF: Final = Actor(kind="staff", name="7", request_id="request-7")
LATER: Final = T + timedelta(days=365 * 100)
HELD: Final = {"held_at": LONG_AGO}


def make_failed(**columns: Any) -> Job:
    return make_job(status=Status.FAILED, **columns)


def retry(job: Job, **named: Any) -> Job:
    return retry_job(job.pk, project=job.project, **{"actor": STAFF, "reason": "They asked.", **named})


@dataclass(frozen=True, kw_only=True)
class Intervention:
    """An intervention: the transition, the service, columns of a job for which it is possible, and of others."""

    name: str
    transition: Callable[..., bool]
    run: Callable[..., Job]
    columns: dict[str, Any]
    what: JobEvent.What
    refusals: list[tuple[dict[str, Any], RefusalReason]]

    def __str__(self) -> str:
        return self.name

    def make(self, **what_matters: Any) -> Job:
        return make_job(**{**self.columns, **what_matters})

    def apply(self, job: Job, **named: Any) -> bool:
        return self.transition(
            job.pk, **{"project": job.project, "actor": STAFF, "reason": "They asked.", "now": T, **named}
        )


INTERVENTIONS: Final = [
    Intervention(
        name="hold",
        transition=transitions.hold,
        run=hold_job,
        columns={},
        what=JobEvent.What.HELD,
        refusals=[(HELD, RefusalReason.HELD)],
    ),
    Intervention(
        name="resume",
        transition=transitions.resume,
        run=resume_job,
        columns=HELD,
        what=JobEvent.What.RESUMED,
        refusals=[({}, RefusalReason.NOT_HELD), ({"due_at": LATER}, RefusalReason.NOT_HELD)],
    ),
    Intervention(
        name="run now",
        transition=transitions.advance,
        run=run_job_now,
        columns={"due_at": LATER},
        what=JobEvent.What.ADVANCED,
        refusals=[({"due_at": LATER, **HELD}, RefusalReason.HELD), ({}, RefusalReason.DUE_ALREADY)],
    ),
]
NOT_WAITING: Final = {
    Status.RUNNING: RefusalReason.RUNNING,
    Status.COMPLETED: RefusalReason.ENDED,
    Status.FAILED: RefusalReason.ENDED,
    Status.CANCELLED: RefusalReason.ENDED,
}
# Interventions, the columns of jobs that must refuse them, and why.
REFUSED: Final = [
    *((each, {**each.columns, "status": status}, why) for each in INTERVENTIONS for status, why in NOT_WAITING.items()),
    *((each, columns, why) for each in INTERVENTIONS for columns, why in each.refusals),
]
