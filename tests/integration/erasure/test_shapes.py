"""Shapes of models that are easily forgotten: keys to other columns, hidden rows, UUIDs, pairs, and several at once."""
# ruff: noqa: N806 – models are classes

import uuid
from typing import Any

import pytest
from django.contrib.contenttypes.fields import GenericRelation
from django.db import models
from django.test.utils import isolate_apps

from jobs import JobContext
from jobs.erasure import Subject, anonymise, erase, step, subject
from tests.support.erase_maps import (
    APP,
    counts_of,
    key,
    model,
    note,
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


def run_as_previewed(told: Subject, project: Any) -> dict[str, int]:
    """Run a map, and return how much was done by store; it finds what its preview told."""
    found = counts_of(preview_of(told, project=project))
    lines = told_of(run_map(told, project=project))
    assert found == {name: counted for name, _, counted, _, _ in lines}
    return {name: done for name, _, _, done, _ in lines}


@isolate_apps(APP)
def test_keys_to_other_columns_than_the_primary_key():
    before = models.ForeignKey("self", models.SET_NULL, null=True, to_field="code", related_name="+")
    Visit = visit(code=models.CharField(max_length=20, unique=True), before=before)
    Click = model("Click", visit=key(Visit, models.SET_NULL, to_field="code"), name=text())
    Line = model("Line", click=key(Click))
    added: list[int] = []
    mine = make_project()

    def add(job: JobContext) -> None:
        if not added:
            added.append(1)
            with job.chunk():
                Line.objects.create(click=Click.objects.get(visit__code=f"{ANA}0"))

    entries = [erase(Line), anonymise(Click, name="gone"), step(add), erase(Visit, by="user_id", via="before")]
    with tables_of(Visit, Click, Line):
        for owner in (ANA, BEN):
            row = None
            for number in range(5):
                row = Visit.objects.create(
                    project=mine, user_id="" if number else owner, code=f"{owner}{number}", before=row
                )
                Line.objects.create(click=Click.objects.create(visit=row, name=owner))
        run_map(subject("user", *entries), project=mine)
        left = Visit.objects.count(), Line.objects.count(), Click.objects.filter(name="gone", visit=None).count()

    assert left == (5, 5, 5)


@isolate_apps(APP)
def test_uuids_that_refer_to_their_own_table_and_keys_that_are_keys():
    Visit = visit(id=models.UUIDField(primary_key=True, default=uuid.uuid4), before=key("self", models.SET_NULL))
    one = models.OneToOneField(Visit, models.CASCADE, primary_key=True, related_name="+")
    Profile = model("Profile", visit=one, options={"ordering": []})
    Page = model("Page", profile=key(Profile))
    mine = make_project()

    told = subject("user", erase(Visit, by="user_id", via="before"), erase(Profile), erase(Page))
    with tables_of(Visit, Profile, Page):
        for owner in (ANA, BEN):
            row = None
            for number in range(30):
                row = Visit.objects.create(project=mine, user_id="" if number else owner, before=row)
            Page.objects.create(profile=Profile.objects.create(visit=row))
        done = run_as_previewed(told, mine)
        left = Visit.objects.count()

    assert done == {"Page": 1, "Profile": 1, "Visit": 30}
    assert left == 30


class Hiding(models.Manager[Any]):
    def get_queryset(self) -> Any:
        return super().get_queryset().filter(user_id="nobody")


@isolate_apps(APP)
def test_rows_that_default_and_base_managers_hide_below_a_proxy_of_an_abstract_model():
    hide = {"default_manager_name": "objects", "base_manager_name": "objects"}
    managers = {"objects": Hiding(), "rows": models.Manager()}
    Base = model(
        "Base", options={"abstract": True}, project=to_project(), user_id=text(), before=key("self", null=True)
    )
    Visit = model("Visit", Base, options=hide, **managers)
    Short = model("Short", Visit, options={"proxy": True})
    Click = model("Click", options=hide, visit=key(Short, models.SET_NULL), user_id=text(), **managers)
    mine = make_project()

    with tables_of(Visit, Click):
        for owner in (ANA, BEN):
            first = Visit.rows.create(project=mine, user_id=owner)
            below = Visit.rows.create(project=mine, user_id="", before_id=first.pk)
            Click.rows.create(visit_id=below.pk)
        done = run_as_previewed(subject("user", erase(Short, by="user_id"), erase(Click)), mine)
        left = Visit.rows.count(), Click.rows.count()

    assert done == {"Click": 1, "Visit": 2}
    assert left == (2, 1)


@isolate_apps(APP)
def test_pairs_within_a_table_and_pairs_with_further_keys():
    Visit = visit(friends=models.ManyToManyField("self", symmetrical=False))
    Tag = model("Tag")
    Pair = model("Pair", visit=key(Visit), tag=key(Tag), by=key(Visit, models.SET_NULL), project=to_project())
    mine = make_project()

    with tables_of(Visit, Tag, Pair):
        ana, ben, other = (Visit.objects.create(project=mine, user_id=owner) for owner in (ANA, BEN, BEN))
        ana.friends.add(ben)
        ben.friends.add(ana, other)
        tag = Tag.objects.create()
        Pair.objects.create(visit=ben, tag=tag, by=ana, project=mine)
        Pair.objects.create(visit=ana, tag=tag, by=ben, project=mine)
        done = run_as_previewed(subject("user", erase(Visit, by="user_id"), erase(Pair)), mine)
        left = list(Pair.objects.values_list("visit__user_id", "by")), ben.friends.count()

    assert done == {"Visit_friends": 2, "Pair": 1, "Pair.by": 1, "Visit": 1}
    assert left == ([(BEN, None)], 1)


@isolate_apps(APP)
def test_a_row_added_below_several_anonymised_tables():
    Visit = visit()
    Click, Note = model("Click", visit=key(Visit), name=text()), note(text())
    Part = model("Part", click=key(Click), name=text())
    Leaf = model(
        "Leaf",
        part=key(Part),
        notes=GenericRelation(Note),
        id=models.UUIDField(primary_key=True, default=uuid.uuid4),
    )
    added: list[int] = []
    mine = make_project()

    def add(job: JobContext) -> None:
        if not added:
            added.append(1)
            with job.chunk():
                Note.objects.create(about=Leaf.objects.create(part=Part.objects.get(click__visit__user_id=ANA)))

    entries = [erase(Note), erase(Leaf), anonymise(Part, name=""), anonymise(Click, name=""), step(add)]
    with tables_of(Visit, Click, Part, Note, Leaf):
        for owner in (ANA, BEN):
            click = Click.objects.create(visit=Visit.objects.create(project=mine, user_id=owner))
            Note.objects.create(about=Leaf.objects.create(part=Part.objects.create(click=click)))
        run_map(subject("user", *entries, anonymise(Visit, by="user_id", user_id="")), project=mine)
        left = Leaf.objects.count(), Note.objects.count(), Visit.objects.filter(user_id=ANA).count()

    assert left == (1, 1, 0)


@isolate_apps(APP)
def test_two_tables_that_both_have_keys_to_themselves():
    Visit = visit(before=key("self", models.SET_NULL))
    Click = model(
        "Click", visit=key(Visit, models.SET_NULL), up=key("self", models.SET_NULL), project=to_project(null=True)
    )
    mine = make_project()

    told = subject("user", erase(Visit, by="user_id", via="before"), erase(Click, via=("visit", "up")))
    with tables_of(Visit, Click):
        for owner in (ANA, BEN):
            first = Visit.objects.create(project=mine, user_id=owner)
            click = Click.objects.create(visit=Visit.objects.create(project=mine, user_id="", before=first))
            Click.objects.create(up=Click.objects.create(up=click), visit=first)
        done = run_as_previewed(told, mine)
        left = Visit.objects.count(), Click.objects.count()

    assert done == {"Click": 3, "Visit": 2}
    assert left == (2, 3)
