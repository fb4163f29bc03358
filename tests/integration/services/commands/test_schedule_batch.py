"""Requests and creators of jobs when the conflicting row is gone before it could be named."""

from contextlib import nullcontext
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from jobs import schedule_job
from jobs.actors import SYSTEM
from jobs.exceptions import Busy, ConcurrentChange, InvalidField
from jobs.lifecycle import transitions
from jobs.models import Job, JobEvent, JobQuerySet
from jobs.services.commands.idempotency import IdempotentRequest, Scheduled
from jobs.services.commands.schedule import NewJob, request_job
from jobs.services.commands.schedule_batch import request_jobs
from jobs.status import Status
from tests.support.concurrency import unique_violation
from tests.support.factories import make_job, make_project

pytestmark = pytest.mark.django_db


REQUEST = IdempotentRequest(digest="d" * 64, body="b" * 64)


def request(
    project: Any, *references: str, action: str = "touch_once", idempotent: IdempotentRequest | None = None
) -> Scheduled:
    new_jobs = [NewJob(action=action, reference_id=reference) for reference in references]
    return request_jobs(lambda: new_jobs, project=project, actor=SYSTEM, request=idempotent)


def test_when_the_conflicting_job_has_just_ended_the_whole_batch_is_tried_again(monkeypatch: pytest.MonkeyPatch):
    active = make_job(action="touch_once", reference_id="b", unique_key="b")
    original = JobQuerySet.active

    def end_it_first(rows: JobQuerySet) -> JobQuerySet:
        Job.objects.filter(pk=active.pk).update(status=Status.CANCELLED.value, finished_at=active.created_at)
        return original(rows)

    monkeypatch.setattr(JobQuerySet, "active", end_it_first)

    created = request(active.project, "a", "b", "c", idempotent=REQUEST)

    assert [job.reference_id for job in created.jobs] == ["a", "b", "c"]
    assert set(Job.objects.exclude(pk=active.pk)) == set(created.jobs)
    assert JobEvent.objects.count() == 3
    assert not created.replayed


@pytest.fixture
def in_vain(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Inserts that meet a row which nobody can see; the list grows with each."""
    tries: list[Any] = []

    def meet_one_that_is_never_seen(jobs: list[Job], **_: Any) -> None:
        tries.append(jobs)
        raise unique_violation()

    monkeypatch.setattr(transitions, "schedule_many", meet_one_that_is_never_seen)
    return tries


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("action", ["touch", "touch_once"])
def test_after_three_tries_an_idempotent_request_gets_busy(in_vain: list[Any], action: str):
    # One that an insert without a unique key must not be taken for.
    project = make_job(action=action).project
    new_job = NewJob(action=action, reference_id="a")

    with pytest.raises(Busy):
        request_job(lambda: new_job, project=project, actor=SYSTEM, request=REQUEST)
    with pytest.raises(Busy):
        request(project, "a", "b", action=action, idempotent=REQUEST)

    assert len(in_vain) == 6


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("within", "error"),
    [(transaction.atomic, ConcurrentChange), (nullcontext, Busy)],
    ids=["in a host's transaction", "elsewhere"],
)
def test_after_three_tries_a_creator_gets_an_error(within: Any, error: type[Exception], in_vain: list[Any]):
    project = make_project()

    with pytest.raises(error), within():
        schedule_job("touch_once", project=project, reference_id="a")

    assert len(in_vain) == 3


def test_another_violated_constraint_is_no_conflict(monkeypatch: pytest.MonkeyPatch):
    tries = []

    def break_a_foreign_key(jobs: list[Any], **_: Any) -> None:
        tries.append(jobs)
        raise IntegrityError("foreign key")

    monkeypatch.setattr(transitions, "schedule_many", break_a_foreign_key)

    with pytest.raises(IntegrityError):
        request(make_project(), "a", "b", action="touch_once", idempotent=REQUEST)

    assert len(tries) == 1


@pytest.mark.parametrize("size", [0, 1001])
def test_a_batch_is_one_to_a_thousand_jobs(size: int):
    with pytest.raises(InvalidField, match="jobs: must be 1 to 1,000 jobs"):
        request(make_project(), *["a"] * size, action="touch")
