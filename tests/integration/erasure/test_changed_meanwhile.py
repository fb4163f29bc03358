"""Rows that others change while a map runs: what is given to another person, or comes from another project, stays."""
# ruff: noqa: N806 – models are classes

from typing import Any

import pytest
from django.db import models
from django.test.utils import isolate_apps

from jobs import JobContext
from jobs.erasure import anonymise, erase, keep, step, subject
from tests.support.concurrency import blocked, other_connection, postgresql_only, transaction_of
from tests.support.erase_maps import APP, key, model, run_map, tables_of, text, to_project, visit
from tests.support.execution import ANA, BEN
from tests.support.factories import make_project

pytestmark = pytest.mark.django_db(transaction=True)


@isolate_apps(APP)
@postgresql_only
@pytest.mark.parametrize("what", ["erase", "erase with others", "erase root", "anonymise"])
def test_a_row_that_is_found_by_two_ways_stays_if_it_is_given_away_before_it_is_locked(what: str):
    User = visit()
    null = models.SET_NULL if what == "anonymise" else models.CASCADE
    root: dict[str, Any] = {"user_id": text(), "project": to_project()} if what == "erase root" else {}
    Doc = model("Doc", owner=key(User, null), author=key(User, null), title=text(), **root)
    Page = model("Page", doc=key(Doc))
    entry = {
        "anonymise": lambda: anonymise(Doc, via=("owner", "author"), title="gone"),
        "erase root": lambda: erase(Doc, by="user_id", project="project"),
    }.get(what, lambda: erase(Doc))()
    told = subject("user", erase(User, by="user_id"), entry, erase(Page))
    mine = make_project()
    with tables_of(User, Doc, Page):
        ana, ben = (User.objects.create(project=mine, user_id=who) for who in (ANA, BEN))
        more = {"user_id": BEN, "project": mine} if root else {}
        doc = Doc.objects.create(owner=ana, author=ana, title="text", **more)
        if what == "erase with others":
            Page.objects.create(doc=Doc.objects.create(owner=ana, author=ben))
        gives = f"UPDATE erasemap_doc SET owner_id = {ben.pk}, author_id = {ben.pk} WHERE id = {doc.pk}"
        with other_connection() as other, transaction_of(other, gives):
            thread = blocked(lambda: run_map(told, project=mine))
        thread.result()
        left = list(Doc.objects.values_list("owner", "author", "title"))

    assert left == [(ben.pk, ben.pk, "text")]


@isolate_apps(APP)
@postgresql_only
def test_a_row_stays_if_the_row_that_it_refers_to_is_given_away_before_it_is_locked():
    User = visit()
    Click = model("Click", visit=key(User), seen=text())
    told = subject("user", erase(User, by="user_id"), erase(Click))
    mine = make_project()
    with tables_of(User, Click):
        Click.objects.create(visit=User.objects.create(project=mine, user_id=ANA))
        gives = f"UPDATE erasemap_visit SET user_id = '{BEN}'", "UPDATE erasemap_click SET seen = 'x'"
        with other_connection() as other, transaction_of(other, *gives):
            thread = blocked(lambda: run_map(told, project=mine))
        thread.result()
        left = User.objects.count(), Click.objects.count()

    assert left == (1, 1)


@isolate_apps(APP)
@pytest.mark.parametrize(
    "shape", ["before its store", "by a cascade", "below a cascade", "to null", "to default", "to null below"]
)
def test_a_row_of_another_project_that_comes_after_the_first_look_stays_as_it_is(shape: str):
    Visit = visit()
    rules = {"to null": models.SET_NULL, "to default": models.SET_DEFAULT}
    is_below = "below" in shape
    Click = model("Click", visit=key(Visit))
    rule = models.SET_NULL if shape == "to null below" else rules.get(shape, models.CASCADE)
    Late = model("Late", above=key(Click if is_below else Visit, rule, null=True, default=None), project=to_project())
    mine, theirs = make_project(), make_project()

    def add(job: JobContext) -> None:
        with job.chunk():
            seen = Visit.objects.get()
            Late.objects.create(above=Click.objects.create(visit=seen) if is_below else seen, project=theirs)

    late = keep(Late, because="law") if shape.startswith("to") else erase(Late)
    entries = [step(add), late] if shape == "before its store" else [late, step(add)]
    told = subject("user", erase(Click), *entries, erase(Visit, by="user_id"))
    with tables_of(Visit, Click, Late):
        Visit.objects.create(project=mine, user_id=ANA)
        run_map(told, project=mine, completes=False)
        left = list(Late.objects.values_list("project", flat=True)), Late.objects.filter(above=None).exists()

    assert left == ([theirs.pk], False)


@isolate_apps(APP)
def test_kept_rows_of_another_project_do_not_matter_where_nothing_in_them_is_set():
    Visit = visit()
    Tax = model("Tax", visit=key(Visit, models.SET_NULL), project=to_project())
    told = subject("user", anonymise(Visit, by="user_id", user_id=""), keep(Tax, because="law"))
    mine, theirs = make_project(), make_project()
    with tables_of(Visit, Tax):
        Tax.objects.create(visit=Visit.objects.create(project=mine, user_id=ANA), project=theirs)
        run_map(told, project=mine)
        left = Tax.objects.filter(visit__user_id="").count()

    assert left == 1
