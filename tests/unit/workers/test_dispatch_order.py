"""What a dispatcher hands over next: fair, bounded by queue, and with more patience each time."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from jobs.actions import all_actions, queue_of
from jobs.db import clock
from jobs.db.connection import jobs_connection
from jobs.models import Job
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


def test_due_jobs_that_are_not_reserved_are_chosen():
    due, stale = make_job(), make_job(reserved_until=ago(1))
    make_job(reserved_until=ago(-60))
    make_job(due_at=ago(-60))
    make_running_job()

    assert set(chosen_ids()) == {due.pk, stale.pk}


def test_what_is_paused_is_not_handed_over():
    make_job()
    pause_jobs(reason="Look first")

    assert chosen_ids() == []


def test_an_organization_of_whom_much_waits_in_the_engine_comes_after_the_others():
    first, second = make_project(), make_project()
    make_due_jobs(20, project=first, reserved_until=ago(-60))
    late = make_due_jobs(1, project=first)[0]
    early = make_due_jobs(1, project=second)[0]

    assert chosen_ids() == [early.pk, late.pk]


def test_a_queue_gets_no_more_than_it_has_room_for():
    make_due_jobs(MOST_IN_FLIGHT - ROOM_WORTH_A_SEARCH, reserved_until=ago(-60))
    make_due_jobs(MOST_IN_FLIGHT)

    assert len(chosen_ids()) == ROOM_WORTH_A_SEARCH


def test_a_queue_that_is_nearly_full_is_left_alone_until_there_is_room_worth_a_search():
    make_due_jobs(MOST_IN_FLIGHT - ROOM_WORTH_A_SEARCH + 1, action="slow", reserved_until=ago(-60))
    make_due_jobs(3, action="slow")

    order = DispatchOrder()

    assert order.choose() == []
    assert order.excluded_actions == ["slow"]


def test_a_full_queue_hides_no_job_of_another_however_many_wait_for_it():
    project = make_project()
    make_due_jobs(MOST_IN_FLIGHT, project=project, action="slow", reserved_until=ago(-60))
    make_due_jobs(2 * WINDOW, project=project, action="slow")
    (other,) = make_due_jobs(1, project=project, due_at=ago(1))

    assert chosen_ids() == [other.pk]


def test_where_no_queue_has_room_nothing_is_searched_for(monkeypatch: pytest.MonkeyPatch):
    searches: list[Any] = []
    monkeypatch.setattr(DispatchOrder, "candidates", lambda order: searches.append(order) or [])
    for action in {queue_of(action.name): action.name for action in all_actions()}.values():
        make_due_jobs(MOST_IN_FLIGHT, action=action, reserved_until=ago(-60))
    make_due_jobs(1)

    assert chosen_ids() == []
    assert searches == []


def test_full_is_a_queue_also_for_jobs_of_actions_that_are_not_registered_here():
    project = make_project()
    make_due_jobs(MOST_IN_FLIGHT, project=project, action="gone", reserved_until=ago(-60))
    make_due_jobs(2 * WINDOW, project=project, action="gone")
    (other,) = make_due_jobs(1, project=project, action="slow", due_at=ago(1))

    assert chosen_ids() == [other.pk]


# ---------------------------------------------------------------- refusals


def test_a_queue_that_refused_is_left_out_for_a_while_and_then_tried_with_one_job(monkeypatch: pytest.MonkeyPatch):
    now = 1_000.0
    monkeypatch.setattr("jobs.workers.dispatch_order.monotonic", lambda: now)
    make_due_jobs(WINDOW + 50, action="slow")
    (other,) = make_due_jobs(1, due_at=ago(1))
    order = DispatchOrder()
    order.queue_backoff.add_failure("slow")

    left_alone = order.choose()
    now += 1
    tried = [candidate.action for candidate in order.choose()]
    order.queue_backoff.clear("slow")
    trusted = order.choose()

    assert [candidate.job_id for candidate in left_alone] == [other.pk]
    assert tried.count("slow") == 1
    assert len(trusted) >= WINDOW


def test_a_queue_that_refuses_again_is_left_alone_for_longer_but_not_beyond_five_seconds(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("jobs.workers.dispatch_order.monotonic", lambda: 0.0)
    refusals = DispatchOrder().queue_backoff
    waits = []
    for _ in range(12):
        refusals.add_failure("slow")
        waits.append(refusals.seconds_to_next())

    assert 0.1 <= waits[0] <= 0.2
    assert 2.5 <= waits[-1] <= 5
    refusals.clear("slow")
    assert refusals.seconds_to_next() == float("inf")


def test_jobs_of_projects_beyond_the_window_are_found_though_others_are_reserved():
    flood = make_project()
    make_due_jobs(MOST_IN_FLIGHT // 2, project=flood, reserved_until=ago(-60))
    make_due_jobs(2 * WINDOW, project=flood)
    others = [make_due_jobs(1, due_at=ago(1))[0].pk for _ in range(5)]

    assert set(others) <= set(chosen_ids())
    assert PROJECTS > 5


# ---------------------------------------------------------------- patience


def patience_of(job: Job) -> int:
    (candidate,) = DispatchOrder().choose()
    assert candidate.job_id == job.pk
    ((doublings, _),) = by_doublings([candidate], clock.read(jobs_connection())).items()
    return doublings


def test_a_job_that_is_handed_over_for_the_first_time_is_left_for_the_shortest_time():
    assert patience_of(make_job(due_at=ago(3_000))) == 0


@pytest.mark.parametrize(("waited", "doublings"), [(61, 1), (125, 2), (250, 3), (500, 4), (50_000, MOST_DOUBLINGS)])
def test_the_longer_a_job_waits_in_the_engine_the_longer_it_is_left_there(waited: float, doublings: int):
    assert patience_of(make_job(due_at=ago(waited), reserved_until=ago(1))) == doublings


# ---------------------------------------------------------------- when to look again


def test_nothing_waits():
    make_running_job()
    make_job(status=Status.COMPLETED)
    make_job(held_at=ago(60))

    assert next_in() is None


def test_the_next_is_a_job_that_becomes_due():
    make_job(due_at=ago(-30))

    assert next_in() == pytest.approx(30, abs=5)


def test_the_next_is_a_reservation_that_runs_out():
    make_job(reserved_until=ago(-20))
    make_job(due_at=ago(-90))

    assert next_in() == pytest.approx(20, abs=5)


def test_a_job_that_is_due_is_next_at_once_but_not_if_it_is_paused():
    make_job()
    assert next_in() == 0

    pause_jobs(reason="Look first")

    assert next_in() is None


def test_reservations_that_ran_out_are_worth_a_look_at_once():
    make_job(reserved_until=ago(timedelta(minutes=5).total_seconds()))

    assert next_in() == 0
