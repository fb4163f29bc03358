"""A chunk: one short, fenced transaction, and the only place where an action may write."""

import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from jobs import JobCancelled, JobContext, cancel_job
from jobs.actors import SYSTEM
from jobs.exceptions import ActionMisused, JobReleased, LeaseLost
from jobs.execution.leases import Lease
from jobs.lifecycle import transitions
from jobs.models import Job
from tests.support.execution import lease_of, make_context, write_in_chunk
from tests.support.factories import fence_of, make_running_job
from tests.support.hostapp.models import Ledger, Visit

pytestmark = pytest.mark.django_db


def read_again(context: JobContext) -> Job:
    return Job.objects.get(pk=context.id)


def test_a_chunk_stores_its_counts_with_its_effects_on_top_of_what_another_attempt_has_counted():
    job = make_running_job()
    write_in_chunk(make_context(job))
    context = make_context(job)

    with context.chunk() as chunk:
        Ledger.objects.create(job_id=context.id)
        chunk.add("lines", 3)
        chunk.add("lines", 4)
        chunk.add("pages", 1)

    job.refresh_from_db()
    assert Ledger.objects.count() == 2
    assert (job.progress_done, job.progress_total) == (9, None)
    assert {store: counts["done"] for store, counts in job.receipt["stores"].items()} == {"lines": 8, "pages": 1}
    assert job.progress_at is not None


def test_a_chunk_that_raises_keeps_nothing_and_leaves_the_context_usable():
    context = make_context()

    with pytest.raises(ZeroDivisionError), context.chunk() as chunk:
        Ledger.objects.create(job_id=context.id)
        chunk.add("lines", 1)
        raise ZeroDivisionError

    job = read_again(context)
    assert not Ledger.objects.exists()
    assert (job.progress_done, job.receipt) == (0, {})
    write_in_chunk(context)
    assert Ledger.objects.count() == 1


@pytest.mark.parametrize("count", [-1, 1.5, True, "3", None])
def test_a_count_must_be_a_whole_number(count: Any):
    context = make_context()

    with pytest.raises(ActionMisused), context.chunk() as chunk:
        chunk.add("lines", count)


def test_a_chunk_renews_the_lease_never_shortens_it_and_leaves_updated_at():
    context = make_context()
    before = read_again(context)
    write_in_chunk(context)
    after = read_again(context)
    longer = after.lease_expires_at + timedelta(days=365)
    Job.objects.filter(pk=context.id).update(lease_expires_at=longer)

    write_in_chunk(context)

    assert after.lease_expires_at > before.lease_expires_at
    assert read_again(context).lease_expires_at == longer
    assert read_again(context).updated_at == before.updated_at


@pytest.mark.parametrize(("before", "left", "after", "total"), [(1, 10, 0, 11), (0, 1, 2, 2)])
def test_expect_says_how_much_is_left_from_now_on_and_the_total_is_never_less_than_what_is_done(
    before: int, left: int, after: int, total: int
):
    context = make_context()
    for _ in range(before):
        write_in_chunk(context)

    context.expect(left)
    for _ in range(after):
        write_in_chunk(context)

    job = read_again(context)
    assert (job.progress_done, job.progress_total) == (before + after, total)


def test_a_chunk_of_a_cancelled_job_keeps_nothing_and_says_so_even_to_an_action_that_swallows_every_exception():
    job = make_running_job()
    context = make_context(job)
    cancel_job(job.pk, project=job.project)

    for act in (
        lambda: write_in_chunk(context),
        lambda: write_in_chunk(context),
        lambda: context.expect(1),
        lambda: context.verify("visits", Visit.objects.all()),
        lambda: context.erase("visits", Visit.objects.all()),
    ):
        with pytest.raises(JobCancelled):
            act()
    with pytest.raises(JobCancelled):
        for _ in range(1000):
            with contextlib.suppress(Exception):
                write_in_chunk(context)

    assert not Ledger.objects.exists()
    assert isinstance(context.stopped, JobCancelled)


def be_rescued(job: Job) -> None:
    transitions.rescue(fence_of(job), seen=job.lease_expires_at, begun=True, note="", actor=SYSTEM)


@pytest.mark.parametrize(
    "lose",
    [
        lambda job, lease: be_rescued(job),
        lambda job, lease: Job.objects.filter(pk=job.pk).update(lease_token="11111111-1111-4111-8111-111111111111"),
        lambda job, lease: lease.given_up.set(),
    ],
    ids=["rescued", "claimed by another", "past the deadline"],
)
def test_a_chunk_without_the_lease_keeps_nothing_and_says_so_ever_after(lose: Callable[[Job, Lease], Any]):
    job = make_running_job()
    lease = lease_of(job)
    context = JobContext(job, lease=lease)
    lose(job, lease)

    for _ in range(2):
        with pytest.raises(LeaseLost):
            write_in_chunk(context)

    assert not Ledger.objects.exists()


def test_the_first_chunk_after_the_worker_was_told_to_stop_releases_the_job():
    job = make_running_job()
    lease = lease_of(job)
    context = JobContext(job, lease=lease)
    write_in_chunk(context)
    lease.stopping.set()

    for _ in range(2):
        with pytest.raises(JobReleased):
            write_in_chunk(context)

    assert Ledger.objects.count() == 1


def test_chunks_do_not_nest():
    context = make_context()

    with pytest.raises(ActionMisused, match="nest"), context.chunk(), context.chunk():
        pass
    with pytest.raises(ActionMisused, match="nest"), context.chunk():
        context.expect(3)


@pytest.mark.django_db(transaction=True)
def test_a_chunk_inside_atomic_is_refused_as_its_commit_would_not_be_one():
    context = make_context()

    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        write_in_chunk(context)

    assert not Ledger.objects.exists()
