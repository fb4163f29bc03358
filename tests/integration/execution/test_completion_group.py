"""Jobs that end on several threads at once: one statement for those that came while another was written."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from django.db import DatabaseError

from jobs import cancel_job
from jobs.db.connection import single_statement
from jobs.execution import completion_group, runner
from jobs.execution.completion_group import CompletionGroup
from jobs.execution.runner import Outcome
from jobs.lifecycle import transitions
from jobs.lifecycle.statements import Fence, TransitionResult
from jobs.models import Job
from tests.support.concurrency import InThread, lost_connection, postgresql_only, somebody_holds, until
from tests.support.execution import lease_of
from tests.support.factories import WORKER, fence_of, make_running_job

pytestmark = pytest.mark.django_db(transaction=True)

Write = Callable[..., TransitionResult]


class Gate:
    """Lets the first statement of a group begin only when it is opened; knows how many jobs each one was for."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self.is_open = threading.Event()
        self.sizes: list[int] = []

    def __call__(self, fences: Sequence[Fence], **options: Any) -> TransitionResult:
        self.sizes.append(len(fences))
        assert self.is_open.wait(20)
        return self._write(fences, **options)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    gate = Gate(transitions.complete_many)
    monkeypatch.setattr(transitions, "complete_many", gate)
    return gate


@pytest.fixture
def group() -> CompletionGroup:
    return CompletionGroup(worker=WORKER, writers=1)


def end_at_once(jobs: Sequence[Job], group: CompletionGroup, gate: Gate) -> list[runner.AttemptResult]:
    """Run each job on a thread: the first one writes alone, and the others come meanwhile."""

    def run(job: Job) -> runner.AttemptResult:
        return runner.run(job, lease=lease_of(job), worker=WORKER, group=group)

    first = InThread(lambda: run(jobs[0]))
    until(lambda: gate.sizes, what="the first one writes")
    others = [InThread(lambda job=job: run(job)) for job in jobs[1:]]
    until(lambda: len(group._waiting) == len(others), what="the others wait")
    gate.is_open.set()
    return [thread.result() for thread in (first, *others)]


def test_those_that_end_while_one_is_written_are_completed_by_one_statement(group: CompletionGroup, gate: Gate):
    jobs = [make_running_job(action="touch") for _ in range(5)]

    ran = end_at_once(jobs, group, gate)

    assert gate.sizes == [1, 4]
    assert {each.outcome for each in ran} == {Outcome.COMPLETED}
    assert [(job.status, job.events.get().what) for job in Job.objects.all()] == [("completed", "completed")] * 5


def test_a_cancelled_job_stays_cancelled_and_the_others_of_its_group_are_completed(group: CompletionGroup, gate: Gate):
    jobs = [make_running_job(action="touch") for _ in range(3)]
    cancel_job(jobs[1].pk, project=jobs[1].project)

    ran = end_at_once(jobs, group, gate)

    assert gate.sizes == [1, 2]
    assert [each.outcome for each in ran] == [Outcome.COMPLETED, Outcome.CANCELLED, Outcome.COMPLETED]
    assert [Job.objects.get(pk=job.pk).status for job in jobs] == ["completed", "cancelled", "completed"]


def test_a_lost_lease_is_not_completed_by_a_later_lease_on_its_job_in_the_same_group(
    group: CompletionGroup, gate: Gate
):
    first, lost = make_running_job(action="touch"), make_running_job(action="touch")
    Job.objects.filter(pk=lost.pk).update(lease_token=uuid4(), attempt=2)

    ran = end_at_once([first, lost, Job.objects.get(pk=lost.pk)], group, gate)

    assert [each.outcome for each in ran] == [Outcome.COMPLETED, Outcome.LOST, Outcome.COMPLETED]
    assert [job.events.count() for job in Job.objects.all()] == [1, 1]


@pytest.mark.parametrize("error", [DatabaseError("of our own"), lost_connection()], ids=["own", "outage"])
def test_if_the_statement_of_a_group_fails_each_job_is_completed_by_its_own(
    error: Exception, group: CompletionGroup, gate: Gate
):
    jobs = [make_running_job(action="touch") for _ in range(3)]

    def fail(fences: Sequence[Fence], **_: Any) -> TransitionResult:
        raise error

    gate._write = fail

    ran = end_at_once(jobs, group, gate)

    assert {each.outcome for each in ran} == {Outcome.COMPLETED}
    assert [job.events.count() for job in Job.objects.all()] == [1, 1, 1]


def test_if_the_commit_of_a_group_is_not_answered_each_job_is_still_completed_once(
    group: CompletionGroup, gate: Gate, monkeypatch: pytest.MonkeyPatch
):
    jobs = [make_running_job(action="touch") for _ in range(3)]

    @contextmanager
    def unanswered() -> Iterator[None]:
        with single_statement():
            yield
        raise lost_connection()

    monkeypatch.setattr(completion_group, "single_statement", unanswered)

    ran = end_at_once(jobs, group, gate)

    assert {each.outcome for each in ran} == {Outcome.COMPLETED}
    assert [(job.status, job.events.count()) for job in Job.objects.all()] == [("completed", 1)] * 3


@postgresql_only
def test_a_locked_job_does_not_delay_the_others_of_its_group(group: CompletionGroup, gate: Gate):
    jobs = [make_running_job(action="touch") for _ in range(3)]
    gate.is_open.set()

    def run(job: Job) -> runner.AttemptResult:
        return runner.run(job, lease=lease_of(job), worker=WORKER, group=group)

    with somebody_holds(jobs[0]):
        locked = InThread(lambda: run(jobs[0]))
        until(lambda: gate.sizes == [1], what="the locked one has been tried")
        others = [InThread(lambda job=job: run(job)) for job in jobs[1:]]
        ended = [thread.result() for thread in others]

        assert [each.outcome for each in ended] == [Outcome.COMPLETED] * 2
        assert Job.objects.get(pk=jobs[0].pk).status == "running"

    assert locked.result().outcome is Outcome.COMPLETED


def test_the_next_job_of_each_thread_is_begun_in_the_same_commit(group: CompletionGroup):
    job, following = make_running_job(action="touch"), make_running_job(begun_at=None)

    ran = runner.run(job, lease=lease_of(job), worker=WORKER, group=group, begin_next=lambda: fence_of(following))

    assert ran == runner.AttemptResult(outcome=Outcome.COMPLETED, next_begun=True)
    assert Job.objects.get(pk=following.pk).begun_at is not None
