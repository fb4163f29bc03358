"""Rows that are added while a map runs go, too: nothing is erased or changed by which they would not be found again."""
# ruff: noqa: N806 – models are classes

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.contrib.contenttypes.fields import GenericRelation
from django.db import models
from django.db.models.signals import pre_delete
from django.test.utils import isolate_apps

from jobs import JobContext
from jobs.erasure import anonymise, erase, keep, step, subject
from jobs.execution.runner import Outcome
from tests.support.concurrency import other_connection, postgresql_only, transaction_of
from tests.support.erase_maps import (
    APP,
    key,
    model,
    note,
    run_map,
    tables_of,
    text,
    to_project,
    told_of,
    try_map,
    visit,
)
from tests.support.execution import ANA, BEN, write_as_another_process
from tests.support.factories import make_project

pytestmark = pytest.mark.django_db(transaction=True)


def once(add: Callable[[], object]) -> Any:
    """Return an entry of a map that adds rows the first time that it is called."""
    called = []

    def late(job: JobContext) -> None:
        if not called:
            called.append(job)
            with job.chunk():
                add()

    return step(late)


def always(add: Callable[[], object]) -> Any:
    def late(job: JobContext) -> None:
        with job.chunk():
            add()

    return step(late)


@isolate_apps(APP)
@pytest.mark.parametrize("generic", [True, False])
def test_a_row_below_an_anonymised_one_is_erased_though_it_came_after_its_store(generic: bool):
    Note = note(models.TextField())
    Visit = visit(notes=GenericRelation(Note))
    Click = model("Click", visit=key(Visit))
    mine = make_project()

    def add() -> None:
        row = Visit.objects.get(project=mine, user_id=ANA)
        Note.objects.create(about=row) if generic else Click.objects.create(visit=row)

    root = anonymise(Visit, by="user_id", user_id="")
    with tables_of(Note, Visit, Click):
        bens = Visit.objects.create(project=mine, user_id=BEN)
        Note.objects.create(about=bens)
        Click.objects.create(visit=bens)
        Visit.objects.create(project=mine, user_id=ANA)
        job = run_map(subject("user", erase(Click), erase(Note), once(add), root), project=mine)
        left = Click.objects.count(), Note.objects.count(), Visit.objects.filter(user_id=ANA).count()
        Visit.objects.create(project=mine, user_id=ANA)
        outcome, refused = try_map(subject("user", erase(Click), erase(Note), always(add), root), project=mine)

    assert left == (1, 1, 0)
    assert {name: done for name, _, _, done, _ in told_of(job)}["Note" if generic else "Click"] == 1
    assert outcome is Outcome.FAILED
    assert "hostapp.Note" in refused.errors if generic else "hostapp.Click" in refused.errors


@isolate_apps(APP)
def test_a_row_below_rows_that_are_detached_is_erased_though_it_came_after_its_store():
    Visit = visit()
    Bill = model("Bill", visit=key(Visit, models.SET_NULL), payer=text())
    Line = model("Line", bill=key(Bill))
    mine = make_project()

    def add() -> None:
        Line.objects.create(bill=Bill.objects.get(visit__user_id=ANA))

    told = subject("user", erase(Line), anonymise(Bill, payer="gone"), once(add), erase(Visit, by="user_id"))
    with tables_of(Visit, Bill, Line):
        for owner in (ANA, BEN):
            bill = Bill.objects.create(visit=Visit.objects.create(project=mine, user_id=owner), payer=owner)
            Line.objects.create(bill=bill)
        run_map(told, project=mine)
        left = list(Line.objects.values_list("bill__payer", flat=True))

    assert left == [BEN]


@isolate_apps(APP)
def test_a_row_that_stays_is_not_taken_by_a_cascade_through_a_row_that_came_late():
    Account = model("Account", user_id=text())
    Visit = model("Visit", account=key(Account))
    Bill = model("Bill", visit=key(Visit, null=True), payer=text())
    root = erase(Account, by="user_id", across_projects=True)

    def add() -> None:
        Bill.objects.create(visit=Visit.objects.create(account=Account.objects.get()), payer=ANA)

    told = subject("user", anonymise(Bill, visit=None, payer="gone"), erase(Visit), once(add), root)
    with tables_of(Account, Visit, Bill):
        Account.objects.create(user_id=ANA)
        run_map(told, project=make_project())
        left = Account.objects.count(), Visit.objects.count(), list(Bill.objects.values_list("payer", flat=True))

    assert left == (0, 0, ["gone"])


@isolate_apps(APP)
@pytest.mark.parametrize("rule", [models.SET_NULL, models.SET_DEFAULT, models.SET(None)])
@pytest.mark.parametrize("stays", [True, False])
def test_a_row_by_a_key_that_django_sets_goes_though_it_came_after_its_store(stays: bool, rule: Any):
    Visit = visit()
    Page = model("Page", owner=key(Visit, rule, null=True, default=None), title=text())
    page = anonymise(Page, via="owner", title="") if stays else erase(Page, via="owner")
    mine = make_project()

    def add() -> None:
        Page.objects.create(owner=Visit.objects.get(user_id=ANA), title="late")

    told = subject("user", page, once(add), erase(Visit, by="user_id"))
    with tables_of(Visit, Page):
        for owner in (ANA, BEN):
            Page.objects.create(owner=Visit.objects.create(project=mine, user_id=owner), title=owner)
        run_map(told, project=mine)
        left = sorted(Page.objects.values_list("title", flat=True))

    assert left == (["", "", BEN] if stays else [BEN])


@isolate_apps(APP)
def test_a_row_far_below_goes_though_django_would_delete_the_one_between():
    Visit = visit()
    Click = model("Click", visit=key(Visit))
    Page = model("Page", click=key(Click, models.SET_NULL), title=text())
    mine = make_project()

    def add() -> None:
        click = Click.objects.create(visit=Visit.objects.get(user_id=ANA))
        Page.objects.create(click=click, title="late")

    told = subject("user", erase(Page, via="click"), erase(Click), once(add), erase(Visit, by="user_id"))
    with tables_of(Visit, Click, Page):
        Visit.objects.create(project=mine, user_id=ANA)
        Page.objects.create(title="of nobody")
        run_map(told, project=mine)
        left = list(Page.objects.values_list("title", flat=True))

    assert left == ["of nobody"]


@isolate_apps(APP)
def test_an_answer_to_a_row_that_django_would_delete_goes_though_both_came_late():
    Visit = visit()
    Click = model("Click", visit=key(Visit, null=True), up=key("self", models.SET_NULL))
    mine = make_project()

    def add() -> None:
        Click.objects.create(up=Click.objects.create(visit=Visit.objects.get(user_id=ANA)))

    told = subject("user", erase(Click, via="up"), once(add), erase(Visit, by="user_id"))
    with tables_of(Visit, Click):
        Visit.objects.create(project=mine, user_id=ANA)
        Click.objects.create(up=Click.objects.create())
        run_map(told, project=mine)
        left = Click.objects.count()

    assert left == 2


@isolate_apps(APP)
def test_a_row_that_is_to_be_detached_is_not_deleted_by_a_cascade():
    Visit = visit()
    Bonus = model("Bonus", visit=key(Visit, null=True))
    mine = make_project()

    def add() -> None:
        Bonus.objects.create(visit=Visit.objects.get(user_id=ANA))

    told = subject("user", anonymise(Bonus, visit=None), once(add), erase(Visit, by="user_id"))
    with tables_of(Visit, Bonus):
        Visit.objects.create(project=mine, user_id=ANA)
        run_map(told, project=mine)
        left = list(Bonus.objects.values_list("visit", flat=True))

    assert left == [None]


@isolate_apps(APP)
@pytest.mark.parametrize("stays", [True, False])
def test_a_root_by_a_path_goes_though_it_came_after_its_store(stays: bool):
    Account = model("Account", project=to_project(), email=text())
    Log = model("Log", account=key(Account, models.SET_NULL), line=text())
    root = anonymise(Account, by="email", email="") if stays else erase(Account, by="email")
    mine = make_project()

    def add() -> None:
        Log.objects.create(account=Account.objects.get(email=ANA))

    told = subject("user", erase(Log, by="account__email", project="account__project"), once(add), root)
    with tables_of(Account, Log):
        for owner in (ANA, BEN):
            Log.objects.create(account=Account.objects.create(project=mine, email=owner))
        run_map(told, project=mine)
        left = list(Log.objects.values_list("account__email", flat=True))

    assert left == [BEN]


@isolate_apps(APP)
def test_kept_rows_are_counted_as_they_were_first_found_by_a_further_attempt_also():
    Visit = visit()
    Tax = model("Tax", visit=key(Visit, models.SET_NULL))
    mine = make_project()

    def add() -> None:
        Visit.objects.create(project=mine, user_id=ANA)

    told = subject("user", erase(Visit, by="user_id"), keep(Tax, because="law"), once(add))
    with tables_of(Visit, Tax):
        Tax.objects.create(visit=Visit.objects.create(user_id=ANA, project=mine))
        job = run_map(told, project=mine)

    assert ("Tax", "kept", 1, 0, None) in told_of(job)
    assert ("Visit", "erased", 2, 2, 0) in told_of(job)


@isolate_apps(APP)
@postgresql_only
def test_a_row_that_would_go_with_another_stays_if_it_is_given_away_before_it_is_deleted():
    User = visit()
    Doc = model("Doc", owner=key(User))
    # With it, Django reads the documents before it deletes them.
    Page = model("Page", doc=key(Doc))
    mine, late, given = make_project(), [], []

    def add_late(job: JobContext) -> None:
        if not late:
            make = partial(Doc.objects.create, owner=User.objects.get(user_id=ANA))
            late.append(write_as_another_process(job, make))

    def give(**_: Any) -> None:
        # A collector has read the rows that go with the user by now, and has locked none of them.
        with other_connection() as other, transaction_of(other, f"UPDATE erasemap_doc SET owner_id = {ben.pk}"):
            given.append(Doc.objects.count())

    told = subject("user", erase(Page), erase(Doc), step(add_late), erase(User, by="user_id"))
    with tables_of(User, Doc, Page):
        _, ben = (User.objects.create(project=mine, user_id=who) for who in (ANA, BEN))
        pre_delete.connect(give, sender=User)
        try:
            run_map(told, project=mine)
        finally:
            pre_delete.disconnect(give, sender=User)
        left = list(Doc.objects.values_list("owner", flat=True))

    assert left == [ben.pk] * given[-1]
    assert given
