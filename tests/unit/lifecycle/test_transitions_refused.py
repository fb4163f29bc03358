"""All transitions over all statuses: what may move moves, and whoever is refused has changed nothing."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection

from jobs.db import clock
from jobs.lifecycle import transitions
from jobs.lifecycle.statements import Fence
from jobs.models import JobEvent
from jobs.status import TRANSITIONS as TABLE
from jobs.status import Status
from tests.support import transitions as support
from tests.support.concurrency import statements
from tests.support.factories import fence_of, make_job, make_project, make_running_job
from tests.support.transitions import (
    INTEGRATOR,
    TRANSITIONS,
    T,
    Transition,
    apply_transition,
    changes_of,
    events_of,
    row_of,
)

pytestmark = pytest.mark.django_db

MATRIX = [(transition, status) for transition in TRANSITIONS for status in Status]
ALLOWED = [(transition, status) for transition, status in MATRIX if status in transition.sources]
REFUSED = [(transition, status) for transition, status in MATRIX if status not in transition.sources]
FENCED = [transition for transition in TRANSITIONS if transition.fenced]
MOVING = [transition for transition in TRANSITIONS if transition.what is not None]


def test_the_transitions_make_exactly_the_moves_of_the_table():
    made = {(source, each.target) for each in MOVING for source in each.sources}

    assert made == {(source, target) for source, targets in TABLE.items() for target in targets}


@pytest.mark.parametrize(("transition", "status"), ALLOWED, ids=str)
def test_a_transition_moves_a_job_from_where_it_may(transition: Transition, status: Status):
    job = make_job(status=status)

    assert apply_transition(transition, job)

    assert row_of(job)["status"] == transition.target
    expected = [(transition.what, status, transition.target)] if transition.what else []
    assert [(event["what"], event["from_status"], event["to_status"]) for event in events_of(job)] == expected


@pytest.mark.parametrize(("transition", "status"), REFUSED, ids=str)
def test_a_transition_from_any_other_status_changes_nothing_and_leaves_no_event(transition: Transition, status: Status):
    job = make_job(status=status)
    before = row_of(job)

    assert not apply_transition(transition, job)

    assert changes_of(job, before) == {}
    assert events_of(job) == []


@pytest.mark.parametrize("transition", FENCED, ids=str)
def test_a_worker_whose_lease_passed_on_changes_nothing(transition: Transition):
    job = make_running_job()
    before = row_of(job)

    assert not transition.apply(job, Fence(job_id=job.pk, lease_token=uuid4()))

    assert changes_of(job, before) == {}
    assert events_of(job) == []


@pytest.mark.parametrize("transition", FENCED, ids=str)
def test_a_token_opens_no_other_job(transition: Transition):
    mine, foreign = make_running_job(), make_running_job()
    before = row_of(foreign)

    assert not transition.apply(foreign, Fence(job_id=foreign.pk, lease_token=fence_of(mine).lease_token))

    assert changes_of(foreign, before) == {}


@pytest.mark.parametrize("transition", MOVING, ids=str)
def test_the_second_of_two_like_moves_is_refused(transition: Transition):
    job = make_job(status=min(transition.sources))
    by = fence_of(job)
    assert transition.apply(job, by)
    before = row_of(job)

    assert not transition.apply(job, by)

    assert changes_of(job, before) == {}
    assert len(events_of(job)) == 1


@pytest.mark.parametrize("transition", TRANSITIONS, ids=str)
def test_a_transition_touches_no_job_but_its_own(transition: Transition):
    job = make_job(status=min(transition.sources))
    others = [make_job(status=status, project=job.project) for status in Status]
    before = [row_of(other) for other in others]

    assert apply_transition(transition, job)

    assert [row_of(other) for other in others] == before
    assert not JobEvent.objects.exclude(job=job).exists()


@pytest.mark.parametrize("transition", MOVING, ids=str)
def test_every_move_tells_when_it_was_and_none_moves_the_start_that_was_asked_for(transition: Transition):
    job = make_job(status=min(transition.sources))
    asked_for = job.start_at

    assert apply_transition(transition, job)

    row = row_of(job)
    assert (row["updated_at"], row["start_at"]) == (T, asked_for)
    assert [event["at"] for event in events_of(job)] == [T]


@pytest.mark.parametrize("transition", [each for each in TRANSITIONS if each.what is None], ids=str)
def test_signs_of_life_leave_the_time_of_the_last_change_alone(transition: Transition):
    job = make_running_job()

    assert apply_transition(transition, job)

    assert row_of(job)["updated_at"] == job.updated_at


@pytest.mark.parametrize("name", ["rescue", "give_up"])
def test_a_lease_that_was_renewed_since_it_was_seen_is_not_rescued(name: str):
    job = make_running_job(lease_expires_at=T)
    (transition,) = (each for each in TRANSITIONS if each.name == name)
    seen_before = make_running_job(lease_expires_at=T)
    seen_before.pk, seen_before.lease_token = job.pk, job.lease_token
    transitions.renew([fence_of(job)], lease=timedelta(milliseconds=2), now=T)
    before = row_of(job)

    assert not apply_transition(transition, seen_before)

    assert changes_of(job, before) == {}
    assert events_of(job) == []


@pytest.mark.parametrize("status", [Status.SCHEDULED, Status.RUNNING])
def test_another_project_cannot_cancel_the_job(status: Status):
    job = make_job(status=status)
    before = row_of(job)

    assert not transitions.cancel(job.pk, project=make_project(), actor=INTEGRATOR, now=T)

    assert changes_of(job, before) == {}


def test_nobody_moves_a_job_that_is_not_there():
    job = make_running_job()
    by = fence_of(job)
    type(job).objects.filter(pk=job.pk).delete()

    assert not transitions.complete(by, worker=INTEGRATOR, now=T).won
    assert not transitions.cancel(job.pk, project=job.project, actor=INTEGRATOR, now=T)
    assert not JobEvent.objects.exists()


@pytest.mark.parametrize(("transition", "status"), ALLOWED, ids=str)
def test_no_move_breaks_a_constraint(transition: Transition, status: Status):
    job = make_job(status=status)

    apply_transition(transition, job)

    connection.check_constraints()


@pytest.mark.parametrize("transition", MOVING, ids=str)
def test_a_move_starts_with_its_write_and_costs_as_few_statements_as_it_can(transition: Transition):
    job = make_job(status=min(transition.sources))

    with statements(without=("SAVEPOINT", "RELEASE")) as sent:
        apply_transition(transition, job)

    if connection.vendor == "postgresql":
        # Those that pass over held rows lock first; a claim reads what it took.
        assert len(sent) == {"claim": 3, "rescue": 2, "give_up": 2}.get(transition.name, 1)
    else:
        # A transaction of SQLite that began with a read could not write once others had.
        assert sent[0].startswith("UPDATE")


@pytest.mark.parametrize(("transition", "status"), [case for case in ALLOWED if case[0] in MOVING], ids=str)
def test_a_move_without_an_instant_is_told_by_the_database_s_clock(
    monkeypatch: pytest.MonkeyPatch, transition: Transition, status: Status
):
    monkeypatch.setattr(support, "T", clock.NOW)
    jobs = [make_job(status=status) for _ in range(3)]
    started = clock.read(connection)

    assert [apply_transition(transition, job) for job in jobs] == [True] * 3

    for job in jobs:
        row, (event,) = row_of(job), events_of(job)
        assert row["status"] == transition.target
        assert started <= row["updated_at"] <= event["at"] <= clock.read(connection)


@pytest.mark.parametrize("transition", FENCED, ids=str)
def test_the_fence_holds_by_the_database_s_clock_too(monkeypatch: pytest.MonkeyPatch, transition: Transition):
    monkeypatch.setattr(support, "T", clock.NOW)
    first, job = make_running_job(), make_running_job()
    assert apply_transition(transition, first)
    before = row_of(job)

    assert not transition.apply(job, Fence(job_id=job.pk, lease_token=fence_of(first).lease_token))
    assert not transition.apply(job, Fence(job_id=job.pk, lease_token=uuid4()))

    assert changes_of(job, before) == {}
    assert events_of(job) == []
