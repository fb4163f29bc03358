"""``pause_jobs`` and ``resume_jobs``; ``test_paused_and_disabled`` has the effect of a pause on claims."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from jobs.actors import Actor
from jobs.exceptions import InvalidField, UnknownAction
from jobs.models import Pause
from jobs.services.commands.pauses import list_pauses, pause_jobs, resume_all_jobs, resume_jobs, scope_of
from tests.support.execution import registered_action
from tests.support.factories import LONG_AGO, make_project

pytestmark = pytest.mark.django_db

WHY = "The disk is full."


@pytest.fixture
def scopes() -> list[dict[str, Any]]:
    """Every kind of scope: all jobs, an action, a project, and both."""
    project = make_project()
    return [{}, {"action": "touch"}, {"project": project}, {"action": "touch", "project": project}]


def test_pausing_again_changes_the_reason_and_its_author_and_keeps_the_time():
    project = make_project()
    first = pause_jobs(action="touch", project=project, reason=WHY, actor=Actor(kind="staff", name="1"))

    again = pause_jobs(action="touch", project=project, reason="Still full.", actor=Actor(kind="staff", name="2"))

    assert (again.pk, again.created_at) == (first.pk, first.created_at)
    assert (again.reason, again.created_by) == ("Still full.", "staff:2")
    assert list_pauses() == [again]


def test_the_database_refuses_a_second_pause_of_the_same_scope(scopes: list[dict[str, Any]]):
    for scope in scopes:
        columns = {**scope, "reason": WHY, "created_at": LONG_AGO, "created_by": "system"}
        Pause.objects.create(**columns)

        with pytest.raises(IntegrityError), transaction.atomic():
            Pause.objects.create(**columns)


@pytest.mark.parametrize("reason", ["", "  ", "a\nb", "x" * 501])
def test_an_invalid_reason_is_refused(reason: str):
    with pytest.raises(InvalidField):
        pause_jobs(reason=reason)

    assert list_pauses() == []


def test_an_action_that_does_not_exist_cannot_be_paused():
    with pytest.raises(UnknownAction):
        pause_jobs(action="tuoch", reason=WHY)

    assert list_pauses() == []


def test_a_pause_of_a_former_action_can_be_lifted():
    with registered_action(lambda job: None, "former"):
        pause_jobs(action="former", reason=WHY)

    assert resume_jobs(action="former")


def test_a_resume_lifts_the_pause_of_exactly_its_scope(scopes: list[dict[str, Any]]):
    for scope in scopes:
        pause_jobs(**scope, reason=WHY)

    lifted = [resume_jobs(**scope) for scope in scopes for _ in range(2)]

    assert lifted == [True, False] * 4
    assert list_pauses() == []


def test_all_can_be_lifted_at_once():
    pause_jobs(reason=WHY)
    pause_jobs(action="touch", reason=WHY)

    assert (resume_all_jobs(), resume_all_jobs()) == (2, 0)


def test_a_scope_is_described_in_words(scopes: list[dict[str, Any]]):
    words = [scope_of(pause_jobs(**scope, reason=WHY)) for scope in scopes]

    here = f"project {scopes[2]['project'].key}"
    assert words == ["all jobs", "jobs of action touch", f"jobs of {here}", f"jobs of action touch in {here}"]
