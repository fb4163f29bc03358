"""The steps of staff that leave a job's status as it is, as callables, for tests that go through all of them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from jobs.actors import Actor
from jobs.lifecycle import transitions
from jobs.models import Job, JobEvent
from jobs.services.commands.interventions import hold_job, resume_job, run_job_now
from jobs.status import RefusalReason, Status
from tests.support.factories import LONG_AGO, make_job
from tests.support.transitions import T

STAFF: Final = Actor(kind="staff", name="7", request_id="request-7")
LATER: Final = T + timedelta(days=365 * 100)
HELD: Final = {"held_at": LONG_AGO}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step: the transition, the service, a job that may take it, and which waiting jobs must refuse."""

    name: str
    move: Callable[..., bool]
    serve: Callable[..., Job]
    columns: dict[str, Any]
    what: JobEvent.What
    refusals: list[tuple[dict[str, Any], RefusalReason]]

    def __str__(self) -> str:
        return self.name

    def make(self, **what_matters: Any) -> Job:
        """Insert a job that may take this step."""
        return make_job(**{**self.columns, **what_matters})

    def take(self, job: Job, **named: Any) -> bool:
        """Apply the transition."""
        return self.move(job.pk, **{"project": job.project, "actor": STAFF, "reason": "They asked.", "now": T, **named})


STEPS: Final = [
    Step(
        name="hold",
        move=transitions.hold,
        serve=hold_job,
        columns={},
        what=JobEvent.What.HELD,
        refusals=[(HELD, RefusalReason.HELD)],
    ),
    Step(
        name="resume",
        move=transitions.resume,
        serve=resume_job,
        columns=HELD,
        what=JobEvent.What.RESUMED,
        refusals=[({}, RefusalReason.NOT_HELD), ({"due_at": LATER}, RefusalReason.NOT_HELD)],
    ),
    Step(
        name="run now",
        move=transitions.advance,
        serve=run_job_now,
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
    (step, {**step.columns, "status": status}, why) for step in STEPS for status, why in NOT_WAITING.items()
] + [(step, columns, why) for step in STEPS for columns, why in step.refusals]
