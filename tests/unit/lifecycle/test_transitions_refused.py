"""All transitions from all statuses: which are allowed, and that a refused one changes nothing."""

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
    events_of,
    row_of,
    unchanged,
)

pytestmark = pytest.mark.django_db

MATRIX = [(transition, status) for transition in TRANSITIONS for status in Status]
ALLOWED = [(transition, status) for transition, status in MATRIX if status in transition.sources]
REFUSED = [(transition, status) for transition, status in MATRIX if status not in transition.sources]
FENCED = [transition for transition in TRANSITIONS if transition.fenced]
CHANGING = [transition for transition in TRANSITIONS if transition.what is not None]


@pytest.fixture(params=[T, clock.NOW], ids=["an instant", "the database's clock"])
def now(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> clock.Moment:
    """The moment that transitions get, by which clock each must behave alike."""
    monkeypatch.setattr(support, "T", request.param)
    return request.param


def test_the_functions_make_exactly_the_transitions_of_the_table():
    made = {(source, each.target) for each in CHANGING for source in each.sources}

    assert made == {(source, target) for source, targets in TABLE.items() for target in targets}


@pytest.mark.parametrize(("transition", "status"), ALLOWED, ids=str)
def test_an_allowed_transition_changes_its_job_and_no_other(transition: Transition, status: Status, now: clock.Moment):
    job = make_job(status=status)
    others = [make_job(status=status, project=job.project) for status in Status]
    before, started = [row_of(other) for other in others], clock.read(connection)

    assert apply_transition(transition, job)

    row, events = row_of(job), events_of(job)
    expected = [(transition.what, status, transition.target)] if transition.what else []
    assert [(event["what"], event["from_status"], event["to_status"]) for event in events] == expected
    assert (row["status"], row["start_at"]) == (transition.target, job.start_at)
    if transition.what is None:  # a renewal or progress is no change
        assert row["updated_at"] == job.updated_at
    elif now is T:
        assert row["updated_at"] == events[0]["at"] == T
    else:
        assert started <= row["updated_at"] <= events[0]["at"] <= clock.read(connection)
    assert [row_of(other) for other in others] == before
    assert not JobEvent.objects.exclude(job=job).exists()
    connection.check_constraints()


@pytest.mark.parametrize(("transition", "status"), REFUSED, ids=str)
def test_a_transition_from_any_other_status_changes_nothing(transition: Transition, status: Status):
    job = make_job(status=status)

    with unchanged(job):
        assert not apply_transition(transition, job)


@pytest.mark.parametrize("transition", FENCED, ids=str)
def test_a_worker_without_the_lease_changes_nothing(transition: Transition, now: clock.Moment):
    other, job = make_running_job(), make_running_job()
    assert apply_transition(transition, other)

    with unchanged(job):
        assert not transition.apply(job, Fence(job_id=job.pk, lease_token=uuid4()))
        assert not transition.apply(job, Fence(job_id=job.pk, lease_token=fence_of(other).lease_token))


@pytest.mark.parametrize("transition", CHANGING, ids=str)
def test_the_second_of_two_like_transitions_is_refused(transition: Transition):
    job = make_job(status=min(transition.sources))
    by = fence_of(job)
    assert transition.apply(job, by)

    with unchanged(job):
        assert not transition.apply(job, by)
    assert len(events_of(job)) == 1


@pytest.mark.parametrize("name", ["rescue", "give_up"])
def test_a_lease_that_was_renewed_since_it_was_seen_is_not_rescued(name: str):
    job = make_running_job(lease_expires_at=T)
    (transition,) = (each for each in TRANSITIONS if each.name == name)
    transitions.renew([fence_of(job)], lease=timedelta(milliseconds=2), now=T)

    with unchanged(job):
        assert not apply_transition(transition, job)


@pytest.mark.parametrize("status", [Status.SCHEDULED, Status.RUNNING])
def test_another_project_cannot_cancel_the_job(status: Status):
    job = make_job(status=status)

    with unchanged(job):
        assert not transitions.cancel(job.pk, project=make_project(), actor=INTEGRATOR, now=T)


def test_a_deleted_job_has_no_transitions():
    job = make_running_job()
    by = fence_of(job)
    type(job).objects.filter(pk=job.pk).delete()

    assert not transitions.complete(by, worker=INTEGRATOR, now=T).won
    assert not transitions.cancel(job.pk, project=job.project, actor=INTEGRATOR, now=T)
    assert not JobEvent.objects.exists()


@pytest.mark.parametrize("transition", CHANGING, ids=str)
def test_a_transition_starts_with_its_write_and_costs_few_statements(transition: Transition):
    job = make_job(status=min(transition.sources))

    with statements(without=("SAVEPOINT", "RELEASE")) as sent:
        apply_transition(transition, job)

    if connection.vendor == "postgresql":
        # Those of the rescuer, which leave out locked rows, lock first; a claim does so in its one statement.
        assert len(sent) == {"rescue": 2, "give_up": 2}.get(transition.name, 1)
    else:
        # A transaction of SQLite that began with a read could not write once others had.
        assert sent[0].startswith("UPDATE")
