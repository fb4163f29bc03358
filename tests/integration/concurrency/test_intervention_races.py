"""Interventions against each other and against claims: one wins, the other is refused with the true reason."""

from collections import Counter
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from jobs import schedule_job
from jobs.db.connection import limited_transaction, outermost_transaction
from jobs.exceptions import ActiveJobExists, Busy, StepRefused, TransitionRefused
from jobs.lifecycle import transitions
from jobs.models import Job, JobEvent
from jobs.services.commands.interventions import hold_job
from jobs.services.commands.retry import retry_job, retry_many
from jobs.status import RefusalReason, Status
from tests.support import concurrency
from tests.support.concurrency import InThread, blocked, postgresql_only, somebody_holds
from tests.support.factories import WORKER, make_job, make_project, make_running_job
from tests.support.interventions import INTERVENTIONS, LATER, STAFF, Intervention
from tests.support.transitions import LEASE, changes_of, events_of, row_of, unchanged

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 20
at_once = partial(concurrency.at_once, catch=(StepRefused, TransitionRefused, ActiveJobExists, Busy))


@pytest.fixture(params=INTERVENTIONS, ids=str)
def intervention(request: pytest.FixtureRequest) -> Intervention:
    return request.param


def claim(job: Job) -> list[Job]:
    with limited_transaction():
        return transitions.claim([job.pk], lease_token=uuid4(), worker=WORKER, lease=LEASE)


def test_an_intervention_that_waited_for_a_cancel_is_refused_as_the_job_has_ended(intervention: Intervention):
    job = intervention.make()

    with outermost_transaction():
        transitions.cancel(job.pk, project=job.project, actor=STAFF)
        after_the_cancel = row_of(job)
        if connection.vendor == "postgresql":
            second = blocked(partial(intervention.run, job.pk, project=job.project))
    if connection.vendor != "postgresql":  # one writer at a time: the second begins where the first has ended
        second = InThread(partial(intervention.run, job.pk, project=job.project))

    with pytest.raises(StepRefused) as refused:
        second.result()
    assert (refused.value.why, refused.value.status) == (RefusalReason.ENDED, Status.CANCELLED)
    assert changes_of(job, after_the_cancel) == {}
    assert [event["what"] for event in events_of(job)] == ["cancelled"]


@postgresql_only
def test_a_row_that_stays_locked_is_busy_and_unchanged(intervention: Intervention, settings: Any):
    settings.JOBS = {"CANCEL_WAIT_SECONDS": 0.15}
    job = intervention.make()

    with unchanged(job), somebody_holds(job), pytest.raises(Busy):
        intervention.run(job.pk, project=job.project)


def test_of_a_hold_and_a_claim_one_wins():
    project = make_project()
    for _ in range(ROUNDS):
        job = make_job(project=project)

        held, claimed = at_once(partial(hold_job, job.pk, project=project), partial(claim, job))

        job.refresh_from_db()
        if isinstance(held, Job):
            assert claimed == []
            assert job.is_held
        else:
            assert held.why is RefusalReason.RUNNING
            assert [each.pk for each in claimed] == [job.pk]
            assert (job.status, job.held_at) == (Status.RUNNING, None)
        assert JobEvent.objects.filter(job=job).count() == 1


def test_of_two_equal_interventions_one_is_refused():
    for intervention in INTERVENTIONS * 4:
        job = intervention.make()

        answers = at_once(*[partial(intervention.run, job.pk, project=job.project)] * 2)

        (refused,) = [answer for answer in answers if isinstance(answer, StepRefused)]
        assert refused.why in (RefusalReason.HELD, RefusalReason.NOT_HELD, RefusalReason.DUE_ALREADY)
        assert len(events_of(job)) == 1


@pytest.mark.parametrize("action", ["touch", "touch_once"])
def test_of_eight_retries_of_one_job_one_wins_and_the_others_name_the_new_job(action: str):
    for _ in range(4):
        failed = make_job(status=Status.FAILED, action=action)

        answers = at_once(*[partial(retry_job, failed.pk, project=failed.project, actor=STAFF)] * 8)

        (new,) = Job.objects.filter(retry_of=failed)
        told = Counter(
            ("won", answer.pk) if isinstance(answer, Job) else (str(answer.why), answer.other_job_id)
            for answer in answers
        )
        assert told == {("won", new.pk): 1, ("retried", new.pk): 7}
        assert [event["what"] for event in events_of(failed)] == ["retried"]


def test_a_retry_against_a_new_job_for_the_same_reference():
    project = make_project()
    for number in range(ROUNDS):
        reference = f"user-{number}"
        failed = make_job(status=Status.FAILED, action="touch_once", reference_id=reference, project=project)

        retried, created = at_once(
            partial(retry_job, failed.pk, project=project),
            partial(schedule_job, "touch_once", project=project, reference_id=reference),
        )

        (active,) = Job.objects.active().filter(reference_id=reference)
        if isinstance(retried, Job):
            assert (retried.pk, created.job.pk) == (active.pk, active.pk)
        else:
            assert (created.pk, retried.why, retried.other_job_id) == (active.pk, RefusalReason.ACTIVE_JOB, active.pk)


def test_a_retry_against_a_bulk_retry():
    project = make_project()
    for _ in range(ROUNDS):
        failed = [make_job(status=Status.FAILED, project=project) for _ in range(3)]

        def in_bulk(ids: Any = tuple(job.pk for job in failed)) -> Any:
            with limited_transaction():
                return retry_many(ids, actor=STAFF)

        one, (done, refused) = at_once(partial(retry_job, failed[1].pk, project=project), in_bulk)

        assert Job.objects.filter(retry_of__in=failed).count() == 3
        assert (failed[1].pk in done) is isinstance(one, StepRefused)
        # While the row was locked by the single retry, the bulk retry skipped it.
        assert refused in (({}, {failed[1].pk: RefusalReason.RETRIED}) if isinstance(one, Job) else ({},))
        assert {failed[0].pk, failed[2].pk} <= set(done)


@postgresql_only
def test_a_retry_that_waited_for_a_redaction_is_refused():
    failed = make_job(status=Status.FAILED)

    with outermost_transaction():
        Job.objects.filter(pk=failed.pk).update(reference_id="", description="")
        retrying = blocked(partial(retry_job, failed.pk, project=failed.project))

    with pytest.raises(StepRefused) as refused:
        retrying.result()
    assert refused.value.why is RefusalReason.REDACTED
    assert not Job.objects.filter(retry_of=failed).exists()


@postgresql_only
def test_changes_of_many_jobs_skip_locked_ones():
    locked = [make_running_job(), make_job(due_at=LATER), make_job(status=Status.FAILED)]
    free = [make_running_job(), make_job(due_at=LATER), make_job(status=Status.FAILED)]

    with unchanged(*locked), somebody_holds(*locked), limited_transaction():
        cancelled = transitions.cancel_many([locked[0].pk, free[0].pk], actor=STAFF)
        advanced = transitions.advance_many([locked[1].pk, free[1].pk], actor=STAFF)
        retried, refused = retry_many([locked[2].pk, free[2].pk], actor=STAFF)

    assert (cancelled, advanced, retried, refused) == ([free[0].pk], [free[1].pk], [free[2].pk], {})
