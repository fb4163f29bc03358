"""Rows that refer to others of their own table go together with these, however many and however deep they are."""
# ruff: noqa: N806 – models are classes

from typing import Any

import pytest
from django.db import models
from django.db.models.signals import post_delete
from django.test.utils import isolate_apps

from jobs.erasure import anonymise, erase, own_rows, subject
from jobs.execution.runner import Outcome
from tests.support.erase_maps import (
    APP,
    counts_of,
    faults_of,
    key,
    model,
    preview_of,
    run_map,
    tables_of,
    text,
    told_of,
    try_map,
    visit,
)
from tests.support.execution import ANA, BEN
from tests.support.factories import make_project

# Of rows whose keys are given; other keys are counted from 1.
FIRST = 10_000

pytestmark = pytest.mark.django_db(transaction=True)


def insert_chain(model: Any, project: Any, length: int, *, owner: str = BEN) -> None:
    """Insert a row of the person, and so many of ``owner``, each of which refers to the one before."""
    model.objects.bulk_create(
        model(pk=FIRST + n, project=project, user_id=owner if n else ANA, before_id=FIRST + n - 1 if n else None)
        for n in range(length + 1)
    )


@isolate_apps(APP)
@pytest.mark.parametrize("owner", [ANA, BEN])
@pytest.mark.parametrize("rule", [models.CASCADE, models.SET_NULL, models.RESTRICT, models.DO_NOTHING])
def test_a_chain_of_three_thousand_rows_goes(rule: Any, owner: str):
    Visit = visit(before=key("self", rule, null=True))
    told = subject("user", erase(Visit, by="user_id", via="before"))
    mine = make_project()

    with tables_of(Visit):
        insert_chain(Visit, mine, 3000, owner=owner)
        Visit.objects.create(project=mine, user_id=BEN)
        job = run_map(told, project=mine)
        left = Visit.objects.count()

    assert told_of(job) == [("Visit", "erased", 3001, 3001, 0)]
    assert left == 1


@isolate_apps(APP)
def test_a_chain_goes_also_where_django_must_see_each_row():
    Visit = visit(before=key("self", null=True))
    mine, seen = make_project(), []

    def hear(instance: Any, **_: Any) -> None:
        seen.append(instance.pk)

    with tables_of(Visit):
        insert_chain(Visit, mine, 1500)
        post_delete.connect(hear, sender=Visit)
        try:
            job = run_map(subject("user", erase(Visit, by="user_id")), project=mine)
        finally:
            post_delete.disconnect(hear, sender=Visit)

    assert told_of(job) == [("Visit", "erased", 1501, 1501, 0)]
    assert len(set(seen)) == 1501


@isolate_apps(APP)
@pytest.mark.parametrize("rule", [models.CASCADE, models.SET_NULL])
def test_many_rows_below_one_go_in_several_chunks(rule: Any):
    Visit = visit(before=key("self", rule, null=True))
    mine = make_project()

    with tables_of(Visit):
        first = Visit.objects.create(project=mine, user_id=ANA)
        Visit.objects.bulk_create(Visit(project=mine, user_id=BEN, before=first) for _ in range(3000))
        job = run_map(subject("user", erase(Visit, by="user_id", via="before")), project=mine)

    assert told_of(job) == [("Visit", "erased", 3001, 3001, 0)]


@isolate_apps(APP)
def test_rows_that_follow_by_a_key_that_django_sets_to_null_are_all_found():
    Visit = visit(before=key("self", models.SET_NULL))
    told = subject("user", erase(Visit, by="user_id", via="before"))
    mine = make_project()

    with tables_of(Visit):
        roots = Visit.objects.bulk_create([Visit(project=mine, user_id=ANA) for _ in range(600)])
        below = Visit.objects.bulk_create([Visit(project=mine, user_id="by a guest", before=root) for root in roots])
        Visit.objects.bulk_create([Visit(project=mine, user_id="by another", before=row) for row in below])
        found = preview_of(told, project=mine)
        job = run_map(told, project=mine)
        left = Visit.objects.count()

    assert left == 0
    assert counts_of(found) == {"Visit": 1800}
    assert told_of(job) == [("Visit", "erased", 1800, 1800, 0)]


@isolate_apps(APP)
@pytest.mark.parametrize("rule", [models.CASCADE, models.SET_NULL])
def test_circles_go_and_one_that_no_chunk_can_take_ends_the_job(rule: Any, monkeypatch: pytest.MonkeyPatch):
    Visit = visit(before=key("self", rule, null=True))
    told = subject("user", erase(Visit, by="user_id", via="before"))
    mine = make_project()

    with tables_of(Visit):
        insert_chain(Visit, mine, 9)
        Visit.objects.filter(user_id=ANA).update(before=Visit.objects.order_by("pk").last())
        monkeypatch.setattr(own_rows, "MOST_ROWS", 5)
        outcome, refused = try_map(told, project=mine)
        left = Visit.objects.count()
        monkeypatch.undo()
        itself = Visit.objects.create(project=mine, user_id=ANA)
        Visit.objects.filter(pk=itself.pk).update(before=itself)
        job = run_map(told, project=mine)

    assert (outcome, left) == (Outcome.FAILED, 10)
    assert "in a circle" in refused.errors
    assert told_of(job) == [("Visit", "erased", 11, 11, 0)]


@isolate_apps(APP)
@pytest.mark.parametrize("rule", [models.CASCADE, models.SET_NULL])
def test_what_refers_to_rows_far_below_goes_before_them(rule: Any):
    Visit = visit(before=key("self", rule, null=True))
    Click = model("Click", visit=key(Visit, models.SET_NULL), name=text())
    told = subject("user", erase(Visit, by="user_id", via="before"), erase(Click))
    mine = make_project()

    with tables_of(Visit, Click):
        insert_chain(Visit, mine, 30)
        Click.objects.bulk_create(Click(visit_id=pk) for pk in Visit.objects.values_list("pk", flat=True))
        Click.objects.create()
        job = run_map(told, project=mine)
        left = Click.objects.count()

    assert told_of(job) == [("Click", "erased", 31, 31, 0), ("Visit", "erased", 31, 31, 0)]
    assert left == 1


@isolate_apps(APP)
def test_two_keys_to_the_own_table_are_followed_together():
    Visit = visit(before=key("self", models.SET_NULL), copy_of=key("self", null=True))
    told = subject("user", erase(Visit, by="user_id", via="before"))
    mine = make_project()

    with tables_of(Visit):
        first = Visit.objects.create(project=mine, user_id=ANA)
        copy = Visit.objects.create(project=mine, copy_of=first)
        Visit.objects.create(project=mine, before=copy, copy_of=Visit.objects.create(project=mine, user_id=BEN))
        job = run_map(told, project=mine)
        left = list(Visit.objects.values_list("user_id", flat=True))

    assert told_of(job) == [("Visit", "erased", 3, 3, 0)]
    assert left == [BEN]


@isolate_apps(APP)
def test_keys_to_the_own_table_that_cannot_be_followed_are_errors():
    Visit = visit(before=key("self", models.SET_NULL))
    Other = model("Other", visit=key(Visit), before=key("self", models.PROTECT, null=True))

    assert faults_of(subject("user", anonymise(Visit, by="user_id", via="before", user_id=""), erase(Other))) == [
        *["IMPOSSIBLE"] * 2
    ]
    assert faults_of(subject("user", erase(Visit, by="user_id"), erase(Other))) == ["IMPOSSIBLE"]


@isolate_apps(APP)
@pytest.mark.parametrize("table", ["found", "child", "parent"])
def test_a_table_may_have_any_name(table: str):
    User = visit()
    Note = model("Note", user=key(User), up=key("self", null=True), options={"db_table": table})
    told = subject("user", erase(User, by="user_id"), erase(Note))
    mine = make_project()
    with tables_of(User, Note):
        ana, ben = (User.objects.create(project=mine, user_id=who) for who in (ANA, BEN))
        first = Note.objects.create(user=ana)
        Note.objects.create(user=ben, up=first)
        kept = Note.objects.create(user=ben)
        run_map(told, project=mine)
        left = list(Note.objects.values_list("pk", flat=True))

    assert left == [kept.pk]
