"""A cancel against everything that a worker does: one of the two wins, and after a cancel nothing is written."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from jobs import cancel_job
from jobs.db.connection import limited_transaction
from jobs.exceptions import JobStopped, TransitionRefused
from jobs.execution import runner
from jobs.execution.runner import Outcome
from jobs.lifecycle import transitions
from jobs.models import Job
from jobs.status import Status
from tests.support.concurrency import PATIENCE_SECONDS, InThread, somebody_waits_for_a_lock, until
from tests.support.execution import count_final_events, lease_of, make_context, run_attempt, write_in_chunk
from tests.support.factories import WORKER, make_job, make_project, make_running_job
from tests.support.hostapp.models import Ledger

pytestmark = pytest.mark.django_db(transaction=True)

RACES = 120 if connection.vendor == "postgresql" else 60


@dataclass(frozen=True)
class Cancelled:
    """What the canceller saw: whether it won, and how many lines stood in the ledger when it was told so."""

    won: bool
    lines: int


def lines_of(job: Job) -> int:
    return Ledger.objects.filter(job_id=job.pk).count()


def cancel(job: Job) -> Cancelled:
    try:
        cancel_job(job.pk, project=job.project)
    except TransitionRefused:
        return Cancelled(won=False, lines=0)
    return Cancelled(won=True, lines=lines_of(job))


def race(
    work: Callable[[Job], Any], *, spread: float = 0.003, status: Status = Status.RUNNING, **columns: Any
) -> Iterator[tuple[Job, Any, Cancelled]]:
    """For each of many jobs start ``work`` and a cancel at the same time; yield the job, and what both said.

    After a cancel that won, nothing was written.
    """
    project = make_project()
    jobs = [make_job(project=project, status=status, **columns) for _ in range(RACES)]
    start = threading.Barrier(2, timeout=PATIENCE_SECONDS)

    def run_all(one: Callable[[Job], Any]) -> list[Any]:
        answers = []
        for job in jobs:
            start.wait()
            time.sleep(random.uniform(0, spread))  # so that neither is always the first
            answers.append(one(job))
        return answers

    racers = [InThread(lambda one=one: run_all(one)) for one in (work, cancel)]
    for job, answer, cancelled in zip(jobs, *(racer.result(patience=100) for racer in racers), strict=True):
        check_nothing_after_cancel(job, cancelled)
        yield job, answer, cancelled


def check_nothing_after_cancel(job: Job, cancelled: Cancelled) -> None:
    job.refresh_from_db()
    assert count_final_events(job) == 1
    assert (job.status == Status.CANCELLED) is cancelled.won
    assert job.lease_token is None
    assert job.progress_done == lines_of(job)
    if cancelled.won:
        assert lines_of(job) == cancelled.lines


def claim_and_write(job: Job) -> bool:
    """Do what a worker does with a due job; return whether it got it."""
    with limited_transaction():
        claimed = transitions.claim(
            [job.pk], lease_token=uuid4(), worker=WORKER, lease=timedelta(seconds=45), begun_ids=[job.pk]
        )
    for mine in claimed:
        write_until_stopped(mine)
    return bool(claimed)


def write_until_stopped(job: Job) -> None:
    context = make_context(job)
    with pytest.raises(JobStopped):
        while True:
            write_in_chunk(context)


def run(job: Job) -> Outcome:
    return runner.run(job, lease=lease_of(job), worker=WORKER).outcome


def test_a_cancel_against_a_claim():
    for job, claimed, cancelled in race(claim_and_write, status=Status.SCHEDULED):
        assert cancelled.won
        assert job.attempt == int(claimed)


def test_a_cancel_against_chunks():
    for _, _, cancelled in race(write_until_stopped, spread=0.02):
        assert cancelled.won
    assert Ledger.objects.exists()


@pytest.mark.parametrize(
    ("action", "end"),
    [
        ("touch", Outcome.COMPLETED),
        ("note", Outcome.COMPLETED),
        ("erase_visits", Outcome.COMPLETED),
        ("leak", Outcome.FAILED),
    ],
)
def test_a_cancel_against_a_finish(action: str, end: Outcome):
    for _, outcome, cancelled in race(run, spread=0.006, action=action):
        assert outcome is (Outcome.CANCELLED if cancelled.won else end)


def test_a_cancel_against_a_failure_that_would_be_tried_again():
    for _, outcome, cancelled in race(run, action="was_removed"):
        assert cancelled.won
        assert outcome in (Outcome.CANCELLED, Outcome.RETRYING)


def test_a_cancel_waits_for_a_running_chunk_and_nothing_commits_after_it():
    job = make_running_job()
    inside, go_on = threading.Event(), threading.Event()

    def hold_a_chunk_open() -> None:
        context = make_context(job)
        with context.chunk() as chunk:
            Ledger.objects.create(job_id=job.pk)
            chunk.add("lines", 1)
            inside.set()
            go_on.wait(PATIENCE_SECONDS)
        write_until_stopped(job)

    holding = InThread(hold_a_chunk_open)
    until(inside.is_set, what="a chunk")
    cancelling = InThread(lambda: cancel(job))
    if connection.vendor == "postgresql":
        until(somebody_waits_for_a_lock, what="the cancel to wait")
    status_inside = Job.objects.values_list("status", flat=True).get(pk=job.pk)
    go_on.set()
    cancelled = cancelling.result()
    holding.result()

    assert status_inside == Status.RUNNING
    assert cancelled.won
    assert cancelled.lines >= 1
    check_nothing_after_cancel(job, cancelled)


def test_a_cancelled_action_learns_of_it_at_its_next_chunk():
    def be_cancelled(context: Any) -> None:
        write_in_chunk(context)
        InThread(lambda: cancel_job(context.id, project=context.project)).result()
        write_in_chunk(context)

    ran, job = run_attempt(be_cancelled)

    assert ran.outcome is Outcome.CANCELLED
    assert lines_of(job) == job.progress_done == 1
