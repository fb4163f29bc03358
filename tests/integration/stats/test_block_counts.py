"""Counts of jobs by blocks of ids: true when made, kept true by deletions, and put right where nobody told of them."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from jobs.models import BLOCK_BITS, Job, JobBlock
from jobs.services.commands.prune import delete_jobs
from jobs.stats import block_counts
from jobs.stats.block_counts import BlockCounter, are_counted
from jobs.status import Status
from jobs.workers.dispatcher import JobDispatcher
from jobs.workers.worker import JobWorker
from tests.support.concurrency import InThread, at_once
from tests.support.factories import LONG_AGO, make_job, make_project
from tests.support.plans import block_counts_only

pytestmark = [pytest.mark.django_db(transaction=True), block_counts_only]


def fill(*numbers: int, project: Any = None, **what_matters: Any) -> list[Job]:
    """Make so many jobs in each block from the first on."""
    project = project or make_project()
    return [
        make_job(pk=(block << BLOCK_BITS) + 7 * place + 1, project=project, **what_matters)
        for block, number in enumerate(numbers)
        for place in range(number)
    ]


def counted() -> dict[tuple[Any, int], int]:
    return {(row.project_id, row.block): row.jobs for row in JobBlock.objects.all()}


def true_counts(*, below: int) -> dict[tuple[Any, int], int]:
    found = Counter((project, pk >> BLOCK_BITS) for project, pk in Job.objects.values_list("project_id", "pk"))
    return {place: number for place, number in found.items() if place[1] < below}


def test_blocks_behind_the_newest_ids_are_counted_by_project():
    one, other = make_project(), make_project()
    fill(2, 3, 0, 1, 1, project=one)
    for block, number in ((0, 1), (3, 2)):
        for place in range(number):
            make_job(pk=(block << BLOCK_BITS) + 3 + 7 * place, project=other)

    assert BlockCounter().count() == 3

    assert counted() == true_counts(below=4)
    assert (one.pk, 2) not in counted()


def test_the_newest_block_and_one_within_an_hour_of_the_next_are_not_counted():
    fill(2, 3)
    make_job(pk=2 << BLOCK_BITS, created_at=timezone.now() - timedelta(minutes=59))

    BlockCounter().count()

    assert {block for _, block in counted()} == {0}


def test_a_look_counts_so_many_blocks_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(block_counts, "MOST_AT_ONCE", 2)
    fill(1, 1, 1, 1)
    counter = BlockCounter()

    assert [counter.count(), counter.count(), counter.count()] == [2, 1, 0]
    assert counted() == true_counts(below=3)


def test_a_table_without_jobs_has_nothing_to_count():
    counter = BlockCounter()

    assert [counter.count(), counter.count()] == [0, 0]


def test_pruned_jobs_leave_the_counts_as_they_are_deleted():
    fill(4, 2, 1, status=Status.COMPLETED)
    BlockCounter().count()
    Job.objects.filter(pk__in=[1, 1 << BLOCK_BITS | 1]).update(finished_at=LONG_AGO - timedelta(days=1))

    pruned = delete_jobs(LONG_AGO)

    assert pruned.done == 2
    assert counted() == true_counts(below=2)


@pytest.mark.parametrize("rounds", [1, 6])
def test_what_nobody_told_of_is_put_right_when_the_block_is_counted_again_in_any_round(rounds: int):
    jobs = fill(4, 3, 2, 1)
    counter = BlockCounter()
    for _ in range(rounds):
        counter.count()
    Job.objects.filter(pk__in=[jobs[0].pk, *(job.pk for job in jobs[4:7])]).delete()
    make_job(pk=(2 << BLOCK_BITS) + 999, project=jobs[0].project)

    for _ in range(4):
        counter.count()

    assert counted() == true_counts(below=3)


def test_a_count_waits_for_a_deletion_that_has_begun_and_sees_it(monkeypatch: pytest.MonkeyPatch):
    fill(4, 2, 1, status=Status.COMPLETED)
    Job.objects.filter(pk=1).update(finished_at=LONG_AGO - timedelta(days=1))
    forget = block_counts.forget
    counting: list[Any] = []

    def forget_while_another_counts(jobs: Any) -> None:
        forget(jobs)
        counting.append(InThread(lambda: BlockCounter().count()))

    monkeypatch.setattr(block_counts, "forget", forget_while_another_counts)
    delete_jobs(LONG_AGO)
    counting[0].result()

    assert are_counted()
    assert counted() == true_counts(below=2)


def test_two_that_count_at_once_count_each_block_once():
    fill(*[1] * 12)

    answers = at_once(*[lambda: BlockCounter().count()] * 3)

    assert sum(answers) == 11
    assert counted() == true_counts(below=11)


@pytest.mark.parametrize("process", [JobWorker, JobDispatcher])
def test_the_sweep_of_a_worker_and_of_a_dispatcher_counts(process: type[JobWorker | JobDispatcher]):
    fill(2, 1, 1)

    process()._maintenance.run()

    assert counted() == true_counts(below=2)
