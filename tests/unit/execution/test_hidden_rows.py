"""An erase removes rows from their table: whatever the host's ``delete()`` does, and none unseen is left behind."""

from typing import Any

import pytest
from django.db import connection
from django.db.models import Q

from jobs import JobContext
from jobs.exceptions import ActionMisused
from jobs.execution.runner import Outcome
from tests.support.execution import ANA, BEN, make_context, make_visits, run_attempt
from tests.support.hiding_managers import CLOSED, GONE, HIDING, LAZY, MARKING, SHOWN, make_proxy, manager_of
from tests.support.hostapp.models import Visit

pytestmark = pytest.mark.django_db


def count_visits() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM hostapp_visit")
        return int(cursor.fetchone()[0])


@pytest.mark.parametrize("model", MARKING.values(), ids=MARKING.keys())
def test_rows_are_deleted_whatever_the_delete_of_the_hosts_querysets_does_and_returns(model: Any):
    make_visits(ANA, 3)
    make_visits(BEN, 1)

    ran, job = run_attempt(lambda context: context.erase("visits", model.rows.filter(owner=ANA)))

    assert ran.outcome is Outcome.COMPLETED
    assert job.receipt["stores"]["visits"] == {"found": 3, "done": 3, "left": 0}
    assert count_visits() == 1


@pytest.mark.parametrize("use", [JobContext.erase, JobContext.verify])
@pytest.mark.parametrize("model", HIDING.values(), ids=HIDING.keys())
def test_rows_with_the_conditions_of_a_manager_are_refused_with_the_plain_one_to_use(model: Any, use: Any):
    name = f"{model._meta.app_label}.{model.__name__}"

    for rows in (model.rows.all(), model.rows.filter(pk__gt=1), model.rows.filter(pk=1) | model.rows.filter(pk=2)):
        with pytest.raises(ActionMisused, match=rf"conditions of {name}\.rows,.* use {name}\.all_rows,"):
            use(make_context(), "rows", rows)


@pytest.mark.parametrize("model", [*HIDING.values(), CLOSED], ids=[*HIDING, "closed"])
def test_rows_of_a_plain_manager_are_taken_whatever_other_managers_the_model_has(model: Any):
    context = make_context()

    context.erase("rows", model.all_rows.filter(pk__gt=0))
    context.verify("rows", model.all_rows.exclude(pk=1))


def test_with_keep_hidden_the_hidden_rows_stay_and_the_job_completes():
    make_visits(ANA, 3)
    make_visits(GONE, 2)

    ran, job = run_attempt(lambda context: context.erase("visits", SHOWN.rows.all(), keep_hidden=True))

    assert ran.outcome is Outcome.COMPLETED
    assert job.receipt["stores"]["visits"] == {"found": 3, "done": 3, "left": 0}
    assert count_visits() == 2


def test_conditions_that_the_action_sets_itself_are_not_taken_for_a_managers():
    make_visits(ANA, 1)
    make_visits(GONE, 1)

    make_context().erase("visits", SHOWN.all_rows.filter(owner=GONE))

    assert count_visits() == 1


def test_rows_whose_class_adds_conditions_when_it_is_read_are_refused_as_a_plain_class_would_not_have_them():
    make_visits(ANA, 2)

    for use in (JobContext.erase, JobContext.verify):
        with pytest.raises(ActionMisused, match="'visits' are a Lazy, which adds conditions when read"):
            use(make_context(), "visits", LAZY.rows.filter(owner=ANA), keep_hidden=True)

    assert count_visits() == 2


def test_an_empty_queryset_of_any_class_is_erased():
    for model in (SHOWN, LAZY, *MARKING.values()):
        make_context().erase("visits", model.all_rows.none())
    make_context().erase("visits", LAZY.rows.none())


@pytest.mark.parametrize("use", [JobContext.erase, JobContext.verify])
def test_conditions_that_show_what_the_manager_hides_are_not_its_own(use: Any):
    for rows in (SHOWN.all_rows.filter(owner=GONE), SHOWN.all_rows.filter(~Q(owner=GONE) | Q(pk__gt=1))):
        use(make_context(), "rows", rows)


def test_a_manager_that_raises_is_no_obstacle_to_rows_of_another():
    scoped = make_proxy(Visit, "ScopedVisit", manager_of(lambda rows: 1 / 0))

    make_context().erase("rows", scoped.all_rows.all())
