"""``hold_job``, ``resume_job`` and ``run_job_now``: what they return, whom they refuse, and what callers are told."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from jobs.db import clock
from jobs.exceptions import Busy, InvalidField, JobNotFound, StepRefused
from jobs.lifecycle import transitions
from jobs.models import Job
from jobs.services.commands.cancel import cancel_job
from jobs.services.commands.interventions import hold_job, resume_job
from jobs.services.reports.health import check_health
from jobs.services.reports.wait_reasons import Wait, WaitReason, explain_wait
from jobs.services.search.jobs import get_job_and_time
from jobs.status import RefusalReason
from tests.support.concurrency import statements
from tests.support.factories import make_job, make_project
from tests.support.interventions import HELD, INTERVENTIONS, LATER, REFUSED, STAFF, Intervention
from tests.support.transitions import changes_of, events_of, row_of, unchanged

pytestmark = pytest.mark.django_db


@pytest.fixture(params=INTERVENTIONS, ids=str)
def intervention(request: pytest.FixtureRequest) -> Intervention:
    return request.param


def test_an_intervention_returns_the_changed_job_and_records_who_made_it(intervention: Intervention):
    job = intervention.make()
    before = row_of(job)

    returned = intervention.run(job.pk, project=job.project, actor=STAFF, reason="They asked.")

    assert "updated_at" in changes_of(job, before)
    assert row_of(job) == {column: getattr(returned, column) for column in before}
    (event,) = events_of(job)
    assert (event["what"], event["from_status"], event["to_status"]) == (intervention.what, "scheduled", "scheduled")
    assert (event["actor"], event["request_id"], event["note"]) == ("staff:7", "request-7", "They asked.")


@pytest.mark.parametrize(("refusing", "columns", "why"), REFUSED, ids=str)
def test_an_impossible_intervention_is_refused(refusing: Intervention, columns: dict[str, Any], why: RefusalReason):
    job = make_job(**columns)

    with unchanged(job), pytest.raises(StepRefused) as refused:
        refusing.run(job.pk, project=job.project)

    assert (refused.value.job_id, refused.value.why, refused.value.status) == (job.pk, why, job.status)
    assert refused.value.other_job_id is None


@pytest.mark.parametrize("reason", [" ", "a\0b", "a\nb", "\ud800", "x" * 501])
def test_an_invalid_reason_changes_nothing(intervention: Intervention, reason: str):
    job = intervention.make()

    with unchanged(job), pytest.raises(InvalidField) as refused:
        intervention.run(job.pk, project=job.project, reason=reason)

    assert refused.value.field == "reason"


def test_another_project_s_job_is_not_found(intervention: Intervention):
    job = intervention.make()

    with unchanged(job), pytest.raises(JobNotFound):
        intervention.run(job.pk, project=make_project(organization=job.project.organization))


@pytest.mark.parametrize("job_id", [0, -1, 2**63, 10**30])
def test_an_impossible_id_sends_no_statement(intervention: Intervention, job_id: int):
    project = make_project()

    with statements() as sent, pytest.raises(JobNotFound):
        intervention.run(job_id, project=project)

    assert sent == []


def test_a_job_that_still_allows_it_is_tried_again(intervention: Intervention, monkeypatch: pytest.MonkeyPatch):
    job = intervention.make()
    tries = []

    def miss_once(*arguments: Any, **named: Any) -> bool:
        tries.append(named)
        return len(tries) > 1 and intervention.transition(*arguments, **named)

    monkeypatch.setattr(transitions, intervention.transition.__name__, miss_once)

    intervention.run(job.pk, project=job.project)

    assert len(tries) == 2
    assert len(events_of(job)) == 1


def test_a_job_that_changes_each_time_is_busy(intervention: Intervention, monkeypatch: pytest.MonkeyPatch):
    job = intervention.make()
    monkeypatch.setattr(transitions, intervention.transition.__name__, lambda *_, **__: False)

    with pytest.raises(Busy):
        intervention.run(job.pk, project=job.project)


def test_workers_are_notified_of_a_job_that_may_be_due(intervention: Intervention, monkeypatch: pytest.MonkeyPatch):
    woken: list[str] = []
    monkeypatch.setattr("jobs.services.commands.interventions.notify_due", lambda: woken.append("woken"))
    job = intervention.make()

    intervention.run(job.pk, project=job.project)
    with pytest.raises(StepRefused):
        intervention.run(job.pk, project=job.project)

    assert woken == ([] if intervention.name == "hold" else ["woken"])


def test_held_is_the_first_reason_why_a_job_waits():
    job = make_job(due_at=LATER)
    held = hold_job(job.pk, project=job.project)
    type(job.project.organization).objects.update(disabled_at=held.held_at)

    _, now = get_job_and_time(job.pk, project=job.project)

    assert explain_wait(held, now=now) == Wait(reason=WaitReason.HELD, since=held.held_at)


def test_a_held_job_is_not_overdue():
    hold_job(make_job().pk, project=Job.objects.get().project)

    health = check_health()

    assert (health.oldest_overdue, health.oldest_paused) == (None, None)


def test_a_held_job_can_be_cancelled_and_then_not_resumed():
    job = make_job(**HELD)

    cancelled = cancel_job(job.pk, project=job.project)

    assert not cancelled.is_held
    with pytest.raises(StepRefused) as refused:
        resume_job(job.pk, project=job.project)
    assert refused.value.why is RefusalReason.ENDED


def test_a_resumed_job_is_due_at_its_start_or_now_if_that_has_passed():
    early, late = make_job(start_at=LATER, due_at=LATER), make_job()
    for job in (early, late):
        hold_job(job.pk, project=job.project)

    due = [resume_job(job.pk, project=job.project).due_at for job in (early, late)]

    assert due[0] == LATER
    assert abs(due[1] - clock.read(connection)) < timedelta(minutes=1)
