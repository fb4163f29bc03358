"""Rows that refer to the person by several keys: what is set by each, and that no key to another person is."""
# ruff: noqa: N803, N806 – models are classes

from typing import Any

import pytest
from django.db import models
from django.test.utils import isolate_apps

from jobs import JobContext
from jobs.erasure import anonymise, erase, keep, step, subject
from tests.support.erase_maps import (
    APP,
    counts_of,
    faults_of,
    key,
    model,
    order_of,
    preview_of,
    run_map,
    tables_of,
    text,
    to_project,
    told_of,
    visit,
)
from tests.support.execution import ANA, BEN
from tests.support.factories import make_project

pytestmark = pytest.mark.django_db(transaction=True)

RULES = [models.SET_NULL, models.CASCADE, models.PROTECT]


def ticket(User: Any, rule: Any = models.SET_NULL) -> Any:
    keys = {name: key(User, rule, null=True) for name in ("sender", "assignee")}
    return model("Ticket", **keys, sender_name=text(), assignee_name=text())


def fill(User: Any, Ticket: Any, project: Any) -> None:
    """Insert a ticket from each person to each, and one that nobody is assigned to."""
    users = [User.objects.create(user_id=owner, project=project) for owner in (ANA, BEN)]
    for sender in users:
        for assignee in (*users, None):
            names = {"sender_name": sender.user_id, "assignee_name": assignee.user_id if assignee else ""}
            Ticket.objects.create(sender=sender, assignee=assignee, **names)


def left_of(Ticket: Any) -> list[tuple[str | None, ...]]:
    """Return of each ticket who is its sender and its assignee, by key and by name, with a letter for each."""
    columns = ("sender__user_id", "assignee__user_id", "sender_name", "assignee_name")
    return [tuple(each and each[0] for each in row) for row in Ticket.objects.order_by("id").values_list(*columns)]


@isolate_apps(APP)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("via", [("sender", "assignee"), ()])
def test_keys_set_to_none_are_set_where_they_refer_to_the_person_and_not_to_another(rule: Any, via: Any):
    User = visit()
    Ticket = ticket(User, rule)
    told = subject("user", erase(User, by="user_id"), anonymise(Ticket, via=via, sender=None, assignee_id=None))
    mine = make_project()

    with tables_of(User, Ticket):
        fill(User, Ticket, mine)
        found = preview_of(told, project=mine)
        job = run_map(told, project=mine)
        left = [row[:2] for row in left_of(Ticket)]

    a, b = ANA[0], BEN[0]
    assert left == [(None, None), (None, b), (None, None), (b, None), (b, b), (b, None)]
    assert a not in {each for row in left for each in row}
    assert counts_of(found) == {"Ticket.sender": 3, "Ticket.assignee": 2, "Visit": 1}
    assert told_of(job) == [
        ("Ticket.sender", "setNull", 3, 3, 0),
        ("Ticket.assignee", "setNull", 2, 2, 0),
        ("Visit", "erased", 1, 1, 0),
    ]


@isolate_apps(APP)
def test_further_constants_are_set_in_all_rows_that_are_meant_and_keys_of_found_rows_only_where_they_refer():
    User = visit()
    Ticket = ticket(User, models.CASCADE)
    entry = anonymise(Ticket, via="sender", sender_name="", sender=None, assignee=None)
    mine = make_project()

    with tables_of(User, Ticket):
        fill(User, Ticket, mine)
        job = run_map(subject("user", erase(User, by="user_id"), entry), project=mine)
        left = left_of(Ticket)

    a, b = ANA[0], BEN[0]
    assert left[:3] == [(None, None, "", a), (None, b, "", b), (None, None, "", "")]
    assert left[3:] == [(b, None, b, a), (b, b, b, b), (b, None, b, "")]
    assert [done for *_, done, _ in told_of(job)] == [3, 3, 2, 1]


@isolate_apps(APP)
@pytest.mark.parametrize("rule", RULES)
def test_each_key_has_an_entry_of_its_own(rule: Any):
    User = visit()
    Ticket = ticket(User, rule)
    Line = model("Line", ticket=key(Ticket))
    told = subject(
        "user",
        erase(User, by="user_id"),
        erase(Ticket, via="sender"),
        anonymise(Ticket, via="assignee", assignee=None, assignee_name="gone", store="assigned"),
        erase(Line),
    )
    mine = make_project()

    with tables_of(User, Ticket, Line):
        fill(User, Ticket, mine)
        for row in Ticket.objects.all():
            Line.objects.create(ticket=row)
        found = preview_of(told, project=mine)
        job = run_map(told, project=mine)
        left, lines = left_of(Ticket), Line.objects.count()

    b = BEN[0]
    assert left == [(b, None, b, "g"), (b, b, b, b), (b, None, b, "")]
    assert lines == 3
    assert counts_of(found) == {"Line": 3, "Ticket": 3, "assigned": 1, "Visit": 1}
    assert told_of(job) == [
        ("Line", "erased", 3, 3, 0),
        ("Ticket", "erased", 3, 3, 0),
        ("assigned", "anonymised", 1, 1, 0),
        ("Visit", "erased", 1, 1, 0),
    ]


@isolate_apps(APP)
def test_rows_that_are_anonymised_by_two_keys_have_other_constants_by_each_and_may_be_kept_beside():
    User = visit()
    Ticket = ticket(User)
    root, mine = erase(User, by="user_id"), make_project()
    by_assignee = anonymise(Ticket, via="assignee", assignee_name="gone")
    by_both = subject("user", root, anonymise(Ticket, via="sender", sender_name="gone"), by_assignee)
    kept = subject("user", root, keep(Ticket, because="law"), by_assignee)

    for told in (by_both, kept):
        with tables_of(User, Ticket):
            fill(User, Ticket, mine)
            run_map(told, project=mine)
            left = left_of(Ticket)

        a, b = ANA[0] if told is kept else "g", BEN[0]
        assert left[:3] == [(None, None, a, "g"), (None, b, a, b), (None, None, a, "")]
        assert left[3:] == [(b, None, b, "g"), (b, b, b, b), (b, None, b, "")]


@isolate_apps(APP)
def test_rows_of_another_project_are_not_changed_by_a_key_that_only_a_further_entry_names():
    User = visit()
    keys = {name: key(User, models.CASCADE, null=True) for name in ("sender", "assignee")}
    Ticket = model("Ticket", project=to_project(null=True), **keys, assignee_name=text())
    further = anonymise(Ticket, via="assignee", assignee=None)
    told = subject("user", erase(User, by="user_id"), erase(Ticket, via="sender"), further)
    mine, theirs = make_project(), make_project()

    with tables_of(User, Ticket):
        Ticket.objects.create(assignee=User.objects.create(user_id=ANA, project=mine), project=theirs)
        found = preview_of(told, project=mine)
        run_map(told, project=mine, completes=False)
        left = Ticket.objects.filter(assignee__user_id=ANA).count()

    assert (found.refused_by, left) == ("hostapp.Ticket", 1)


@isolate_apps(APP)
@pytest.mark.parametrize("rule", [models.CASCADE, models.SET_NULL])
@pytest.mark.parametrize("stays", [True, False])
def test_a_row_that_came_after_its_store_is_detached_before_what_it_refers_to_goes_or_changes(rule: Any, stays: bool):
    User = visit()
    Ticket = ticket(User, rule)
    added: list[int] = []
    mine = make_project()

    def add(job: JobContext) -> None:
        if not added:
            added.append(1)
            with job.chunk():
                fill(User, Ticket, mine)

    root = anonymise(User, by="user_id", user_id="") if stays else erase(User, by="user_id")
    further = anonymise(Ticket, via="assignee", assignee=None, assignee_name="gone")
    first = erase(Ticket, via="sender") if not stays else anonymise(Ticket, via="sender", sender_name="gone")
    late = step(add)
    with tables_of(User, Ticket):
        User.objects.create(user_id=ANA, project=mine)
        run_map(subject("user", first, further, late, root), project=mine)
        left = left_of(Ticket)

    b = BEN[0]
    assert left[-3:] == [(b, None, b, "g"), (b, b, b, b), (b, None, b, "")]
    assert len(left) == (6 if stays else 3)


@isolate_apps(APP)
def test_a_further_entry_that_says_nothing_of_its_own_is_an_error():
    User = visit()
    Ticket = ticket(User, models.CASCADE)
    root, first = erase(User, by="user_id"), erase(Ticket, via="sender")

    def faults(*further: Any) -> list[str]:
        return faults_of(subject("user", root, first, *further))

    assert faults(anonymise(Ticket, via="assignee", assignee=None)) == []
    assert faults(anonymise(Ticket, assignee=None)) == ["DECLARATION"]
    assert faults(anonymise(Ticket, via="nobody", assignee=None)) == ["DECLARATION"]
    assert faults(anonymise(Ticket, via="assignee", assignee=None, nothing=None)) == ["DECLARATION"]
    assert faults(anonymise(Ticket, via="assignee", assignee_name="")) == ["DECLARATION"]  # the rows go by this key
    assert faults(erase(Ticket, via="assignee")) == ["DECLARATION"]
    alone = subject("user", root, anonymise(Ticket, via="sender", sender=None, assignee_id=None))
    assert [name for name, _ in order_of(alone)] == ["Ticket.sender", "Ticket.assignee", "Visit"]


@isolate_apps(APP)
def test_a_further_entry_does_not_say_by_which_of_other_keys_rows_are_erased():
    User = visit()
    Ticket = model("Ticket", **{name: key(User, models.SET_NULL) for name in ("sender", "assignee", "watcher")})
    further = anonymise(Ticket, via="watcher", sender=None, assignee=None)

    assert faults_of(subject("user", erase(User, by="user_id"), erase(Ticket), further)) == ["DECLARATION"]
