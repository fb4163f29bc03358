"""When two transitions change one job concurrently, one wins and the other changes nothing."""

from functools import partial
from uuid import uuid4

import pytest
from django.db import connection

from jobs.db.connection import limited_transaction, outermost_transaction
from jobs.lifecycle import transitions
from jobs.lifecycle.statements import Fence
from jobs.models import Job
from tests.support.concurrency import InThread, blocked, other_connection, postgresql_only, somebody_holds
from tests.support.factories import WORKER, fence_of, make_job, make_running_job
from tests.support.transitions import (
    LEASE,
    TRANSITIONS,
    T,
    Transition,
    apply_transition,
    changes_of,
    events_of,
    row_of,
    unchanged,
)

pytestmark = pytest.mark.django_db(transaction=True)

STATUS_CHANGING = [each for each in TRANSITIONS if each.what is not None]
# These skip a locked row: the transaction that locked it is alive.
SKIPPING = {"claim", "complete_many", "renew", "rescue", "give_up"}
SKIPS_LOCKED_ROWS = [each for each in TRANSITIONS if each.name in SKIPPING]
WAITS_FOR_LOCK = [each for each in TRANSITIONS if each.name not in SKIPPING]


def losers_against(winner: Transition) -> list[Transition]:
    """Return the transitions that the job allowed before ``winner`` and refuses after it."""
    return [each for each in WAITS_FOR_LOCK if winner.sources & each.sources and winner.target not in each.sources]


def in_transaction(transition: Transition, job: Job, by: Fence) -> bool:
    with outermost_transaction():
        return transition.apply(job, by)


@pytest.mark.parametrize("winner", STATUS_CHANGING, ids=str)
def test_the_second_transition_of_a_job_changes_nothing(winner: Transition):
    for loser in losers_against(winner):
        job = make_job(status=min(winner.sources & loser.sources))
        by = fence_of(job)

        with outermost_transaction():
            assert winner.apply(job, by)
            after_the_first = row_of(job)
            if connection.vendor == "postgresql":
                second = blocked(partial(in_transaction, loser, job, by))
        if connection.vendor != "postgresql":  # one writer at a time: the second begins where the first has ended
            second = InThread(partial(in_transaction, loser, job, by))

        assert not second.result()
        assert changes_of(job, after_the_first) == {}
        assert [event["what"] for event in events_of(job)] == [winner.what]


@postgresql_only
@pytest.mark.parametrize("transition", WAITS_FOR_LOCK, ids=str)
def test_a_transition_that_waited_for_a_rolled_back_change_applies(transition: Transition):
    job = make_job(status=min(transition.sources))

    with other_connection() as other:
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute(f"UPDATE jobs_job SET crashes = 5 WHERE id = {job.pk}")
        waiting = blocked(lambda: in_transaction(transition, job, fence_of(job)))

    assert waiting.result()
    assert (row_of(job)["status"], row_of(job)["crashes"]) == (transition.target, 0)


@postgresql_only
@pytest.mark.parametrize("transition", SKIPS_LOCKED_ROWS, ids=str)
def test_a_locked_row_is_skipped_without_waiting(transition: Transition):
    job = make_job(status=min(transition.sources))

    with unchanged(job), somebody_holds(job), limited_transaction():
        assert not apply_transition(transition, job)


@postgresql_only
def test_a_claim_takes_the_free_jobs_beside_locked_ones():
    locked, free = make_job(), make_job()

    with somebody_holds(locked), limited_transaction():
        claimed = transitions.claim([locked.pk, free.pk], lease_token=uuid4(), worker=WORKER, lease=LEASE, now=T)

    assert claimed == [free]
    assert row_of(locked)["status"] == "scheduled"


@postgresql_only
def test_completing_many_jobs_waits_for_none_and_begins_no_locked_one():
    locked, free = make_running_job(), make_running_job()
    locked_next, free_next = make_running_job(begun_at=None), make_running_job(begun_at=None)
    fences, next_fences = map(fence_of, (locked, free)), map(fence_of, (locked_next, free_next))

    with somebody_holds(locked, locked_next), outermost_transaction():
        done = transitions.complete_many([*fences], worker=WORKER, next_fences=[*next_fences], now=T)

    assert (done.job_ids, done.begun_ids) == ((free.pk,), (free_next.pk,))
    assert [row_of(job)["status"] for job in (locked, free)] == ["running", "completed"]
    assert [row_of(job)["begun_at"] for job in (locked_next, free_next)] == [None, T]


@postgresql_only
def test_a_beat_renews_the_others_while_one_job_is_in_a_chunk():
    in_chunk, waiting = make_running_job(lease_expires_at=T), make_running_job(lease_expires_at=T)

    with somebody_holds(in_chunk), limited_transaction():
        transitions.renew([fence_of(in_chunk), fence_of(waiting)], lease=LEASE, now=T)

    assert row_of(in_chunk)["lease_expires_at"] == T
    assert row_of(waiting)["lease_expires_at"] == T + LEASE


@postgresql_only
def test_a_claimed_row_may_be_named_by_new_rows_of_others():
    job = make_job()

    with outermost_transaction():
        transitions.claim([job.pk], lease_token=uuid4(), worker=WORKER, lease=LEASE, now=T)
        with other_connection() as other, other.cursor() as cursor:
            cursor.execute("SET lock_timeout = '200ms'")
            cursor.execute(f"SELECT 1 FROM jobs_job WHERE id = {job.pk} FOR KEY SHARE")

            assert cursor.fetchone() == (1,)
