"""The dispatch order is fair, bounded per queue, and reserves a job for longer each time."""

from collections.abc import Iterator
from typing import Any

import pytest

from jobs.actions import all_actions, queue_of
from jobs.db import clock
from jobs.db.connection import jobs_connection
from jobs.services.commands.pauses import pause_jobs
from jobs.status import Status
from jobs.workers.claim_order import PROJECTS, WINDOW
from jobs.workers.dispatch_order import MOST_DOUBLINGS, MOST_IN_FLIGHT, ROOM_WORTH_A_SEARCH, DispatchOrder, by_doublings
from jobs.workers.dispatch_order import seconds_to_next as next_in
from tests.support.execution import ago, make_due_jobs, registered_action
from tests.support.factories import make_job, make_project, make_running_job

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _actions() -> Iterator[None]:
    with registered_action(lambda _: None, name="slow", queue="slow"):
        yield


def chosen_ids() -> list[int]:
    return [candidate.job_id for candidate in DispatchOrder().choose()]


def fill_queue(count: int = MOST_IN_FLIGHT, **columns: Any) -> None:
    """Insert jobs that are dispatched and not yet claimed."""
    make_due_jobs(count, reserved_until=ago(-60), **columns)


def test_due_jobs_that_are_not_reserved_are_chosen_unless_paused():
    due, stale = make_job(), make_job(reserved_until=ago(1))
    make_job(reserved_until=ago(-60))
    make_job(due_at=ago(-60))
    make_running_job()

    chosen = chosen_ids()
    pause_jobs(reason="Maintenance")

    assert set(chosen) == {due.pk, stale.pk}
    assert chosen_ids() == []


def test_an_organization_with_many_jobs_in_the_engine_comes_last():
    first, second = make_project(), make_project()
    fill_queue(20, project=first)
    late, early = make_job(project=first), make_job(project=second)

    assert chosen_ids() == [early.pk, late.pk]


@pytest.mark.parametrize(
    ("missing", "chosen", "excluded"), [(0, ROOM_WORTH_A_SEARCH, []), (1, 0, ["slow"])], ids=["room", "nearly full"]
)
def test_a_queue_gets_what_it_has_room_for_and_none_until_there_is_room_worth_a_search(
    missing: int, chosen: int, excluded: list[str]
):
    fill_queue(MOST_IN_FLIGHT - ROOM_WORTH_A_SEARCH + missing, action="slow")
    make_due_jobs(MOST_IN_FLIGHT, action="slow")
    order = DispatchOrder()

    assert len(order.choose()) == chosen
    assert order.excluded_actions == excluded


@pytest.mark.parametrize(("full", "free"), [("slow", "touch"), ("gone", "slow")], ids=["registered", "not registered"])
def test_a_full_queue_hides_no_job_of_another_however_many_jobs_wait_for_it(full: str, free: str):
    project = make_project()
    fill_queue(project=project, action=full)
    make_due_jobs(2 * WINDOW, project=project, action=full)
    other = make_job(project=project, action=free, due_at=ago(1))

    assert chosen_ids() == [other.pk]


def test_where_no_queue_has_room_there_is_no_search(monkeypatch: pytest.MonkeyPatch):
    searches: list[Any] = []
    monkeypatch.setattr(DispatchOrder, "candidates", lambda order: searches.append(order) or [])
    for action in {queue_of(action.name): action.name for action in all_actions()}.values():
        fill_queue(action=action)
    make_job()

    assert chosen_ids() == []
    assert searches == []


def test_a_queue_that_failed_is_excluded_for_a_while_and_then_tried_with_one_job(monkeypatch: pytest.MonkeyPatch):
    now = 1_000.0
    monkeypatch.setattr("jobs.workers.dispatch_order.monotonic", lambda: now)
    make_due_jobs(WINDOW + 50, action="slow")
    other = make_job(due_at=ago(1))
    order = DispatchOrder()
    order.queue_backoff.add_failure("slow")

    excluded = order.choose()
    now += 1
    tried = [candidate.action for candidate in order.choose()]
    order.queue_backoff.clear("slow")
    trusted = order.choose()

    assert [candidate.job_id for candidate in excluded] == [other.pk]
    assert tried.count("slow") == 1
    assert len(trusted) >= WINDOW


def test_a_queue_that_fails_again_is_excluded_for_longer_but_five_seconds_at_most(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("jobs.workers.dispatch_order.monotonic", lambda: 0.0)
    backoff = DispatchOrder().queue_backoff
    waits = []
    for _ in range(12):
        backoff.add_failure("slow")
        waits.append(backoff.seconds_to_next())

    assert 0.1 <= waits[0] <= 0.2
    assert 2.5 <= waits[-1] <= 5
    backoff.clear("slow")
    assert backoff.seconds_to_next() == float("inf")


def test_jobs_of_projects_beyond_the_window_are_found_beside_reserved_ones():
    flood = make_project()
    fill_queue(MOST_IN_FLIGHT // 2, project=flood)
    make_due_jobs(2 * WINDOW, project=flood)
    beyond = {make_job(due_at=ago(1)).pk for _ in range(5)}

    assert beyond <= set(chosen_ids())
    assert PROJECTS > 5


@pytest.mark.parametrize(
    ("due_for", "was_reserved", "doublings"),
    [
        (3_000, False, 0),
        *((61, True, 1), (125, True, 2), (250, True, 3), (500, True, 4), (50_000, True, MOST_DOUBLINGS)),
    ],
)
def test_a_job_is_reserved_for_longer_the_longer_it_has_waited_in_the_engine(
    due_for: float, was_reserved: bool, doublings: int
):
    job = make_job(due_at=ago(due_for), reserved_until=ago(1) if was_reserved else None)

    groups = by_doublings(DispatchOrder().choose(), clock.read(jobs_connection()))

    found = {number: [candidate.job_id for candidate in group] for number, group in groups.items()}
    assert found == {doublings: [job.pk]}


def test_a_job_that_is_due_is_next_at_once_but_none_that_is_paused_held_runs_or_has_ended():
    make_running_job()
    make_job(status=Status.COMPLETED)
    make_job(held_at=ago(60))

    assert next_in() is None
    make_job()
    assert next_in() == 0
    pause_jobs(reason="Maintenance")
    assert next_in() is None


@pytest.mark.parametrize(("column", "seconds"), [("due_at", 30), ("reserved_until", 20), ("reserved_until", -300)])
def test_the_next_job_becomes_due_or_its_reservation_runs_out(column: str, seconds: float):
    make_job(**{column: ago(-seconds)})
    make_job(due_at=ago(-90))

    assert next_in() == (pytest.approx(seconds, abs=5) if seconds > 0 else 0)
