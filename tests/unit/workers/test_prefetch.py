"""A worker claims what it can begin within about a second, and a job that crashed a worker alone."""

import pytest

from jobs.workers import prefetch as prefetch_module
from jobs.workers.claim_order import Candidate
from jobs.workers.prefetch import MOST_AT_ONCE, NO_ROOM_SECONDS, ROOM_SECONDS, SOLO_PATIENCE_SECONDS, PrefetchLimit
from tests.support.factories import LONG_AGO


@pytest.fixture
def prefetch() -> PrefetchLimit:
    return PrefetchLimit()


def make_candidates(count: int, *, action: str = "touch", crashes: int = 0, first: int = 1) -> list[Candidate]:
    return [
        Candidate(job_id=number, action=action, organization_id=1, due_at=LONG_AGO, crashes=crashes)
        for number in range(first, first + count)
    ]


@pytest.mark.parametrize(
    ("duration", "idle", "quick", "fewest", "most"),
    [(None, 3, 4, 3, 3), (0.1, 0, 2, 18, 20), (0.000_01, 4, 4, MOST_AT_ONCE, MOST_AT_ONCE)],
    ids=["unknown: for idle threads only", "short: a second of every quick thread", "very short: up to the limit"],
)
def test_jobs_are_claimed_ahead_by_what_is_known_of_their_duration(
    prefetch: PrefetchLimit, duration: float | None, idle: int, quick: int, fewest: int, most: int
):
    candidates = make_candidates(600)
    if duration:
        prefetch.learn("touch", duration)

    chosen = prefetch.choose(candidates, idle=idle, quick=quick, has_leases=not idle)

    assert chosen == candidates[: len(chosen)]
    assert fewest <= len(chosen) <= most


def test_one_long_job_ends_the_claiming_ahead_at_once_and_short_ones_restore_it_slowly(prefetch: PrefetchLimit):
    candidates = make_candidates(90)
    prefetch.learn("touch", 0.01)
    prefetch.learn("touch", 5.0)
    after_long = prefetch.choose(candidates, idle=1, quick=1, has_leases=False)
    for _ in range(20):
        prefetch.learn("touch", 0.01)

    restored = prefetch.choose(candidates, idle=1, quick=1, has_leases=False)

    assert len(after_long) == 1
    assert len(restored) > 20


def test_a_short_job_does_not_overtake_a_long_one(prefetch: PrefetchLimit):
    prefetch.learn("short", 0.01)
    candidates = make_candidates(1, action="long") + make_candidates(5, action="short", first=2)

    assert prefetch.choose(candidates, idle=0, quick=1, has_leases=True) == []


def test_a_process_without_leases_claims_a_job_that_crashed_a_worker_and_nothing_else(prefetch: PrefetchLimit):
    suspect = make_candidates(1, crashes=1, first=2)
    candidates = make_candidates(1) + suspect + make_candidates(5, first=3)

    assert prefetch.choose(candidates, idle=4, quick=4, has_leases=False) == suspect


def test_a_busy_process_claims_other_jobs_first_and_after_a_while_none(prefetch: PrefetchLimit):
    candidates = make_candidates(1, crashes=1) + make_candidates(3, first=2)
    at_first = prefetch.choose(candidates, idle=4, quick=4, has_leases=True)
    prefetch._solo_since -= SOLO_PATIENCE_SECONDS + 1

    later = prefetch.choose(candidates, idle=4, quick=4, has_leases=True)

    assert at_first == candidates[1:]
    assert later == []


def test_a_process_that_does_not_become_idle_claims_other_jobs_again(
    prefetch: PrefetchLimit, monkeypatch: pytest.MonkeyPatch
):
    now = [1_000.0]
    monkeypatch.setattr(prefetch_module.time, "monotonic", lambda: now[0])
    waiting = make_candidates(1, crashes=1) + make_candidates(1, first=2)

    taken = []
    for _ in range(int(ROOM_SECONDS + NO_ROOM_SECONDS)):
        taken.append(prefetch.choose(waiting, idle=1, quick=1, has_leases=True))
        now[0] += 1

    assert [one.job_id for one in taken[0]] == [2]
    assert [len(chosen) for chosen in taken].count(0) in (ROOM_SECONDS - 1, ROOM_SECONDS)
    assert [one.job_id for one in taken[-1]] == [2]
