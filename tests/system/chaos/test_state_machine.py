"""Random sequences of transitions and services, compared with a small model that says what each must answer."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from hypothesis.strategies import booleans, sampled_from

from jobs import cancel_job, schedule_job
from jobs.actors import SYSTEM
from jobs.db.connection import outermost_transaction
from jobs.exceptions import ActiveJobExists, StepRefused, TransitionRefused
from jobs.lifecycle import transitions
from jobs.lifecycle.statements import Fence
from jobs.models import Job, JobEvent
from jobs.services.commands.interventions import hold_job, resume_job, run_job_now
from jobs.services.commands.retry import retry_job
from tests.support.factories import WORKER, make_project

LEASE = timedelta(seconds=45)
ACTIVE = ("scheduled", "running")
EXAMPLES, STEPS = 25, 40


@dataclass
class Model:
    reference: str
    status: str = "scheduled"
    is_due: bool = True
    is_held: bool = False
    retried_by: int | None = None
    token: UUID | None = None
    done: int = 0
    attempt: int = 0
    ends: int = 0

    def become(self, to: str) -> None:
        self.status, self.token, self.ends = to, None, self.ends + (to not in ACTIVE)
        self.is_held = False


class Lifecycle(RuleBasedStateMachine):
    """Keeps all fences for ever, so that stale ones are tried again and again."""

    jobs = Bundle("jobs")
    claims = Bundle("claims")

    @initialize()
    def start(self) -> None:
        self.project = make_project()
        self.model: dict[int, Model] = {}

    def is_current(self, fence: Fence) -> bool:
        return self.model[fence.job_id].token == fence.lease_token

    @rule(target=jobs, reference=sampled_from("abc"))
    def create(self, reference: str) -> int:
        active = [pk for pk, job in self.model.items() if job.reference == reference and job.status in ACTIVE]
        if active:
            with pytest.raises(ActiveJobExists) as refused:
                schedule_job("touch_once", project=self.project, reference_id=reference)
            assert [refused.value.job.pk] == active
            return active[0]
        job = schedule_job("touch_once", project=self.project, reference_id=reference)
        self.model[job.pk] = Model(reference)
        return int(job.pk)

    @rule(target=claims, pk=jobs)
    def claim(self, pk: int) -> Fence:
        token, job = uuid4(), self.model[pk]
        with outermost_transaction():
            claimed = transitions.claim([pk], lease_token=token, worker=WORKER, lease=LEASE, begun_ids=[pk])
        assert bool(claimed) is (job.status == "scheduled" and job.is_due and not job.is_held)
        if claimed:
            job.status, job.token, job.attempt = "running", token, job.attempt + 1
        return Fence(job_id=pk, lease_token=token)

    @rule(pk=jobs)
    def cancel(self, pk: int) -> None:
        job = self.model[pk]
        if job.status in ACTIVE:
            cancel_job(pk, project=self.project)
            job.become("cancelled")
            return
        with pytest.raises(TransitionRefused) as refused:
            cancel_job(pk, project=self.project)
        assert refused.value.status == job.status

    @rule(pk=jobs, intervene=sampled_from([hold_job, resume_job, run_job_now]))
    def intervene(self, pk: int, intervene: Any) -> None:
        job = self.model[pk]
        if why := self.refusal_of(job, intervene):
            with pytest.raises(StepRefused) as refused:
                intervene(pk, project=self.project)
            assert refused.value.why == why
            return
        intervene(pk, project=self.project)
        job.is_held = intervene is hold_job
        job.is_due = job.is_due if job.is_held else True

    def refusal_of(self, job: Model, intervene: Any) -> str:
        """Return why the intervention must be refused; empty: it must succeed."""
        if job.status != "scheduled":
            return "running" if job.status == "running" else "ended"
        if intervene is resume_job:
            return "" if job.is_held else "not_held"
        if job.is_held:
            return "held"
        return "due_already" if intervene is run_job_now and job.is_due else ""

    @rule(target=jobs, pk=jobs)
    def retry(self, pk: int) -> int:
        job = self.model[pk]
        rivals = [pk for pk, other in self.model.items() if other.reference == job.reference and other.status in ACTIVE]
        if job.status == "failed" and job.retried_by is None and not rivals:
            job.retried_by = retry_job(pk, project=self.project).pk
            self.model[job.retried_by] = Model(job.reference)
            return job.retried_by
        with pytest.raises(StepRefused) as refused:
            retry_job(pk, project=self.project)
        expected = ("retried", job.retried_by) if job.retried_by else ("active_job", *rivals)
        expected = expected if job.status == "failed" else ("not_failed", None)
        assert (refused.value.why, refused.value.other_job_id) == expected
        return pk

    @rule(fence=claims)
    def work(self, fence: Fence) -> None:
        job = self.model[fence.job_id]
        with outermost_transaction():
            won = transitions.prove_fence(fence, lease=LEASE)
            if won:
                won = transitions.record(fence, receipt={}, done=job.done + 1, total=None, lease=LEASE)
        assert won is self.is_current(fence)
        job.done += won

    @rule(fence=claims)
    def beat(self, fence: Fence) -> None:
        before = Job.objects.get(pk=fence.job_id).lease_expires_at
        with outermost_transaction():
            transitions.renew([fence], lease=LEASE + timedelta(hours=1))
        after = Job.objects.get(pk=fence.job_id).lease_expires_at
        assert self.is_current(fence) or before == after

    @rule(fence=claims, how=sampled_from(["complete", "fail", "release", "retry_later"]))
    def finish(self, fence: Fence, how: str) -> None:
        endings: dict[str, tuple[str, dict[str, Any]]] = {
            "complete": ("completed", {}),
            "fail": ("failed", {"errors": "Broken."}),
            "release": ("scheduled", {"note": "The worker shut down."}),
            "retry_later": ("scheduled", {"errors": "Once more.", "wait": timedelta(hours=1)}),
        }
        to, facts = endings[how]
        with outermost_transaction():
            finish = getattr(transitions, how)(fence, worker=WORKER, **facts)
        assert finish.won is self.is_current(fence)
        if finish.won:
            self.model[fence.job_id].become(to)
            self.model[fence.job_id].is_due = how != "retry_later"

    @rule(fence=claims, gives_up=booleans(), is_late=booleans())
    def rescue(self, fence: Fence, gives_up: bool, is_late: bool) -> None:
        seen = Job.objects.get(pk=fence.job_id).lease_expires_at
        if seen is None:
            return
        if is_late:  # the lease was renewed after the rescuer read it
            seen -= timedelta(seconds=1)
        with outermost_transaction():
            if gives_up:
                won = transitions.give_up(fence, seen=seen, errors="Given up.", actor=SYSTEM)
            else:
                won = transitions.rescue(fence, seen=seen, begun=True, note="It ran out.", actor=SYSTEM)
        assert won is (self.is_current(fence) and not is_late)
        if won:
            self.model[fence.job_id].become("failed" if gives_up else "scheduled")

    @invariant()
    def rows_equal_the_model(self) -> None:
        for row in Job.objects.filter(pk__in=self.model):
            job = self.model[row.pk]
            expected = (job.status, job.token, job.done, job.attempt, job.is_held)
            assert (row.status, row.lease_token, row.progress_done, row.attempt, row.is_held) == expected
            events = JobEvent.objects.filter(job=row).exclude(what="retried").order_by("id")
            assert events.exclude(to_status__in=ACTIVE).count() == job.ends <= 1
            assert events.last().to_status == job.status


@pytest.mark.timeout(300)
@pytest.mark.django_db(transaction=True)
def test_any_sequence_of_transitions_leaves_the_job_as_the_model_says() -> None:
    unhurried: dict[str, Any] = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
    limits = settings(max_examples=EXAMPLES, stateful_step_count=STEPS, **unhurried)

    run_state_machine_as_test(Lifecycle, settings=limits)
