"""The steps of staff that leave a job's status as it is, as callables, for tests that go through all of them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from jobs.actors import Actor
from jobs.lifecycle import transitions
from jobs.models import HELD_UNTIL, Job, JobEvent
from jobs.services.commands.interventions import hold_job, resume_job, run_job_now
from jobs.status import RefusalReason, Status
from tests.support.factories import LONG_AGO, make_job
from tests.support.transitions import T

STAFF: Final = Actor(kind="staff", name="7", request_id="request-7")
LATER: Final = T + timedelta(days=365 * 100)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step: the transition, the service, a job that may take it, and which waiting jobs must refuse."""

    name: str
    move: Callable[..., bool]
    serve: Callable[..., Job]
    due_at: Any
    what: JobEvent.What
    refusals: dict[Any, RefusalReason]

    def __str__(self) -> str:
        return self.name

    def make(self, **what_matters: Any) -> Job:
        """Insert a job that may take this step."""
        return make_job(**{"due_at": self.due_at, **what_matters})

    def take(self, job: Job, **named: Any) -> bool:
        """Apply the transition."""
        return self.move(job.pk, **{"project": job.project, "actor": STAFF, "reason": "They asked.", "now": T, **named})


STEPS: Final = [
    Step(
        name="hold",
        move=transitions.hold,
        serve=hold_job,
        due_at=LONG_AGO,
        what=JobEvent.What.HELD,
        refusals={HELD_UNTIL: RefusalReason.HELD},
    ),
    Step(
        name="resume",
        move=transitions.resume,
        serve=resume_job,
        due_at=HELD_UNTIL,
        what=JobEvent.What.RESUMED,
        refusals={LONG_AGO: RefusalReason.NOT_HELD, LATER: RefusalReason.NOT_HELD},
    ),
    Step(
        name="run now",
        move=transitions.advance,
        serve=run_job_now,
        due_at=LATER,
        what=JobEvent.What.ADVANCED,
        refusals={HELD_UNTIL: RefusalReason.HELD, LONG_AGO: RefusalReason.DUE_ALREADY},
    ),
]
NOT_WAITING: Final = {
    Status.RUNNING: RefusalReason.RUNNING,
    Status.COMPLETED: RefusalReason.ENDED,
    Status.FAILED: RefusalReason.ENDED,
    Status.CANCELLED: RefusalReason.ENDED,
}
REFUSED: Final = [(step, status, step.due_at, why) for step in STEPS for status, why in NOT_WAITING.items()] + [
    (step, Status.SCHEDULED, due_at, why) for step in STEPS for due_at, why in step.refusals.items()
]
