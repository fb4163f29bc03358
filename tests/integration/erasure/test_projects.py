"""No row of another project goes or changes, unless the map says of its root that it means all projects."""
# ruff: noqa: N806 – models are classes

from typing import Any

import pytest
from django.db import models
from django.test.utils import isolate_apps

from jobs.erasure import Subject, anonymise, erase, keep, subject
from tests.support.erase_maps import APP, key, model, run_map, tables_of, text, to_project, told_of, visit
from tests.support.execution import ANA, BEN
from tests.support.factories import make_project

pytestmark = pytest.mark.django_db(transaction=True)


def assert_refused(told: Subject, project: Any, *others: Any) -> None:
    before = [list(each.objects.order_by("pk").values()) for each in others]
    job = run_map(told, project=project, completes=False)
    assert [list(each.objects.order_by("pk").values()) for each in others] == before
    assert job.receipt.get("stores") is None
    assert "hostapp" not in job.errors
    assert "hostapp." in job.events.last().detail


@isolate_apps(APP)
def test_a_root_in_all_projects_lifts_the_limit_for_its_own_rows_alone():
    Visit, Log = visit(), model("Log", email=text())
    Click = model("Click", visit=key(Visit), project=to_project())
    Line = model("Line", log=key(Log), project=to_project())
    told = subject(
        "user", erase(Visit, by="user_id"), erase(Click), erase(Log, by="email", across_projects=True), erase(Line)
    )
    mine, theirs = make_project(), make_project()

    with tables_of(Visit, Log, Click, Line):
        log, seen = Log.objects.create(email=ANA), Visit.objects.create(project=mine, user_id=ANA)
        for project in (mine, theirs):
            Line.objects.create(log=log, project=project)
        click = Click.objects.create(visit=seen, project=theirs)
        assert_refused(told, mine, Visit, Click, Log, Line)
        click.delete()
        job = run_map(told, project=mine)

    assert {name: done for name, _, _, done, _ in told_of(job)} == {"Click": 0, "Visit": 1, "Line": 2, "Log": 1}


@isolate_apps(APP)
def test_a_row_that_follows_from_a_root_in_all_projects_is_meant_though_it_also_refers_to_a_row_of_this_one():
    Visit = visit()
    Log = model("Log", email=text(), visit=key(Visit), project=to_project())
    told = subject("user", erase(Visit, by="user_id"), erase(Log, by="email", across_projects=True))
    mine, theirs = make_project(), make_project()

    with tables_of(Visit, Log):
        seen = Visit.objects.create(project=mine, user_id=ANA)
        Log.objects.create(email=ANA, visit=seen, project=theirs)
        bens = Log.objects.create(email=BEN, visit=seen, project=theirs)
        assert_refused(told, mine, Visit, Log)
        bens.delete()
        job = run_map(told, project=mine)

    assert told_of(job) == [("Log", "erased", 1, 1, 0), ("Visit", "erased", 1, 1, 0)]


@isolate_apps(APP)
def test_a_root_with_a_path_to_its_project_takes_no_rows_of_others_by_a_key_to_its_own_table():
    Shop = model("Shop", project=to_project())
    Visit = model("Visit", shop=key(Shop), user_id=text(), before=key("self", null=True))
    told = subject("user", erase(Visit, by="user_id", project="shop__project"))
    mine, theirs = make_project(), make_project()

    with tables_of(Shop, Visit):
        first = Visit.objects.create(shop=Shop.objects.create(project=mine), user_id=ANA)
        Visit.objects.create(shop=Shop.objects.create(project=theirs), user_id=BEN, before=first)
        assert_refused(told, mine, Visit)


@isolate_apps(APP)
def test_each_of_several_keys_to_projects_is_compared():
    Visit = visit()
    Click = model("Click", visit=key(Visit), project=to_project(), billed_to=to_project(null=True))
    told = subject("user", erase(Visit, by="user_id"), erase(Click))
    mine, theirs = make_project(), make_project()

    with tables_of(Visit, Click):
        seen = Visit.objects.create(project=mine, user_id=ANA)
        Click.objects.create(visit=seen, project=mine, billed_to=theirs)
        assert_refused(told, mine, Visit, Click)


@isolate_apps(APP)
@pytest.mark.parametrize("rule", [models.SET_NULL, models.SET_DEFAULT, models.SET(None)])
@pytest.mark.parametrize("entry", [lambda each: keep(each, because="law"), lambda each: erase(each, via="owner")])
def test_no_key_in_a_row_of_another_project_is_set(rule: Any, entry: Any):
    Visit = visit()
    options: dict[str, Any] = {"null": True, "default": None}
    Page = model("Page", project=to_project(), owner=key(Visit, models.SET_NULL), editor=key(Visit, rule, **options))
    told = subject("user", erase(Visit, by="user_id"), entry(Page))
    mine, theirs = make_project(), make_project()

    with tables_of(Visit, Page):
        Page.objects.create(project=theirs, editor=Visit.objects.create(project=mine, user_id=ANA))
        assert_refused(told, mine, Visit, Page)


@isolate_apps(APP)
@pytest.mark.parametrize("what", ["anonymise", "erase"])
def test_a_root_by_a_path_through_another_root_is_done_before_it(what: str):
    Account = model("Account", project=to_project(), email=text())
    Log = model("Log", account=key(Account, models.SET_NULL), line=text())
    first = anonymise(Account, by="email", email="") if what == "anonymise" else erase(Account, by="email")
    told = subject("user", first, erase(Log, by="account__email", project="account__project"))
    mine = make_project()

    with tables_of(Account, Log):
        Log.objects.create(account=Account.objects.create(project=mine, email=ANA), line="secret")
        job = run_map(told, project=mine)
        left = Log.objects.count()

    assert left == 0
    assert [(name, done) for name, _, _, done, _ in told_of(job) if done] == [("Log", 1), ("Account", 1)]
