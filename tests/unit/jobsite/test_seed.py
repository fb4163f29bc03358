"""The sessions of the demo."""

import pytest

from jobsite.models import Session, SessionEvent
from jobsite.seed import BUTTONS, MAIN_USERS, STAGED_USERS, plan, restore, seed
from tests.support.factories import make_project

TOTAL = 2_000


def total_without_staged(counts: dict[str, int]) -> int:
    return sum(count for user, count in counts.items() if user not in STAGED_USERS.values())


def test_the_default_has_many_users_and_many_sessions_of_the_main_ones():
    counts = plan(200_000)

    assert total_without_staged(counts) == 200_000
    assert len(counts) >= 1_000
    assert all(counts[user] == 20_000 for user in MAIN_USERS)


@pytest.mark.parametrize("total", [100, 101, 999, 12_345])
def test_the_plan_adds_up_and_names_whom_the_demo_needs(total: int):
    counts = plan(total)

    assert total_without_staged(counts) == total
    assert all(counts[user] for user in (*MAIN_USERS, *STAGED_USERS.values()))


@pytest.mark.django_db
def test_seeding_is_done_once_and_every_session_has_the_page_it_shows_and_some_a_click():
    project = make_project()

    first, second = seed(project, total=TOTAL), seed(project, total=TOTAL)

    assert (first, second) == (True, False)
    sessions = Session.objects.filter(project=project)
    events = SessionEvent.objects.filter(session__in=sessions)
    assert events.filter(kind="page").count() == sessions.count() == sum(plan(TOTAL).values())
    assert events.filter(kind="click").count() == sessions.filter(page__in=BUTTONS).count() > 0
    assert all(event.payload == {"path": event.session.page} for event in events.filter(kind="page")[:50])


@pytest.mark.django_db
def test_a_user_who_was_erased_in_part_is_restored_and_no_other_is_changed():
    project = make_project()
    seed(project, total=TOTAL)
    user = MAIN_USERS[0]
    SessionEvent.objects.filter(session__user_id=user)[0].delete()
    others = set(Session.objects.exclude(user_id=user).values_list("pk", flat=True))

    restored, again = restore(project, user, total=TOTAL), restore(project, user, total=TOTAL)

    assert (restored, again) == (True, False)
    assert Session.objects.filter(user_id=user).count() == plan(TOTAL)[user]
    assert set(Session.objects.exclude(user_id=user).values_list("pk", flat=True)) == others
