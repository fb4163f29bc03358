"""A map is held against the models: what is reached and not declared, what cannot work, and the order."""
# ruff: noqa: N806 – models are classes

from typing import Any

import pytest
from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.test.utils import isolate_apps

from jobs.erasure import anonymise, erase, keep, step, subject
from jobs.erasure.plan import Fault
from jobs.erasure.planning import plan_of
from jobs.erasure.suspects import suspects_of
from jobs.exceptions import ActionMisused
from tests.support.erase_maps import APP, faults_of, key, model, order_of, text, to_project, visit

DECLARATION, LEFT_OUT, IMPOSSIBLE, CYCLE, NO_PROJECT = (fault.name for fault in Fault)


def nothing(job: object) -> None:
    pass


@isolate_apps(APP)
def test_a_model_left_out_is_an_error_with_its_path_and_the_line_to_add_and_so_is_what_refers_to_it():
    Visit = visit()
    Click = model("Click", visit=key(Visit))
    model("Target", click=key(Click))
    model("Elsewhere", project=to_project())

    first, second = plan_of(subject("user", erase(Visit, by="user_id"))).problems

    assert (first.fault, second.fault) == (Fault.LEFT_OUT, Fault.LEFT_OUT)
    assert "hostapp.Click, reached by hostapp.Visit.user_id → hostapp.Click.visit" in first.text
    assert first.text.endswith("; keys: visit to hostapp.Visit (CASCADE).")
    assert first.cure == 'Add to it: erase("hostapp.Click"),'
    assert "hostapp.Visit.user_id → hostapp.Click.visit → hostapp.Target.click" in second.text


@isolate_apps(APP)
def test_each_kind_of_relation_is_reached_and_tables_that_django_made_follow_by_themselves():
    Visit = visit()
    Tag = model("Tag", visits=models.ManyToManyField(Visit))
    one = models.OneToOneField(Visit, models.CASCADE, related_name="+")
    model("Summary", visit=one)
    Pair = model("Pair", visit=key(Visit), tag=key(Tag, related_name="pairs"))
    model("Group", visits=models.ManyToManyField(Visit, through=Pair, related_name="+"))
    model("Special", Visit, options={"ordering": []})
    model("Short", Visit, options={"proxy": True})
    model("OfShort", visit=key("hostapp.Short"))

    plan = plan_of(subject("user", erase(Visit, by="user_id")))

    left_out = {problem.text.split("happens to ")[1].split(",")[0] for problem in plan.problems}
    assert left_out == {f"hostapp.{name}" for name in ("Summary", "Pair", "Special", "OfShort")}
    assert "hostapp.Tag_visits" in [store.name for store in plan.stores]


@isolate_apps(APP)
def test_generic_relations_are_reached():
    Note = model(
        "Note",
        content_type=key(ContentType),
        object_id=models.BigIntegerField(),
        about=GenericForeignKey("content_type", "object_id"),
    )
    Visit = model("Visit", project=to_project(), user_id=text(), notes=GenericRelation(Note))

    assert faults_of(subject("user", erase(Visit, by="user_id"))) == [LEFT_OUT]
    assert faults_of(subject("user", erase(Visit, by="user_id"), keep(Note, because="law"))) == [IMPOSSIBLE]
    assert order_of(subject("user", erase(Visit, by="user_id"), erase(Note))) == [
        ("Note", "erased"),
        ("Visit", "erased"),
    ]


@isolate_apps(APP)
def test_the_other_tables_of_a_row_go_with_it_and_what_refers_to_them_is_reached():
    Person = model("Person", project=to_project(), email=text())
    Customer = model("Customer", Person, options={"ordering": []}, number=text())
    Supplier = model("Supplier", Person, options={"ordering": []})
    Letter = model("Letter", person=key(Person))

    root = erase(Customer, by="number", project="project")
    assert faults_of(subject("user", root)) == [LEFT_OUT, LEFT_OUT]
    assert sorted(order_of(subject("user", root, erase(Letter), erase(Supplier)))[:2]) == [
        ("Letter", "erased"),
        ("Supplier", "erased"),
    ]
    # From the parent, each child is reached.
    assert faults_of(subject("user", erase(Person, by="email"), erase(Letter))) == [LEFT_OUT, LEFT_OUT]


@isolate_apps(APP)
def test_what_is_kept_ends_the_search_and_what_is_anonymised_does_not():
    Visit = visit()
    Click = model("Click", visit=key(Visit, models.SET_NULL))
    model("Target", click=key(Click))

    kept = subject("user", erase(Visit, by="user_id"), keep(Click, because="statistics"))
    anonymised = subject("user", erase(Visit, by="user_id"), anonymise(Click, visit=None))

    assert order_of(kept) == [("Click", "kept"), ("Click.visit", "setNull"), ("Visit", "erased")]
    assert faults_of(anonymised) == [LEFT_OUT]


@isolate_apps(APP)
@pytest.mark.parametrize("rule", [models.CASCADE, models.PROTECT, models.RESTRICT, models.DO_NOTHING])
def test_rows_that_stay_while_what_they_refer_to_goes_are_an_error_unless_they_are_detached(rule: Any):
    Visit = visit()
    Bill = model("Bill", visit=key(Visit, rule, null=True), name=text())

    assert faults_of(subject("user", erase(Visit, by="user_id"), keep(Bill, because="law"))) == [IMPOSSIBLE]
    assert faults_of(subject("user", erase(Visit, by="user_id"), anonymise(Bill, name=""))) == [IMPOSSIBLE]
    assert order_of(subject("user", erase(Visit, by="user_id"), anonymise(Bill, visit=None))) == [
        ("Bill", "anonymised"),
        ("Visit", "erased"),
    ]
    assert order_of(subject("user", erase(Visit, by="user_id"), erase(Bill))) == [
        ("Bill", "erased"),
        ("Visit", "erased"),
    ]


@isolate_apps(APP)
def test_a_view_that_no_deletion_touches_need_not_be_declared_and_may_be_kept():
    Visit = visit()
    View = model("View", options={"managed": False}, visit=key(Visit, models.DO_NOTHING))

    assert faults_of(subject("user", erase(Visit, by="user_id"))) == []
    assert faults_of(subject("user", erase(Visit, by="user_id"), keep(View, because="shows visits"))) == []


@isolate_apps(APP)
def test_a_cycle_is_an_error_unless_one_of_its_keys_is_set_to_null():
    def cycle(rule: Any, number: str) -> Any:
        Team = model(f"Team{number}", project=to_project(), owner=text(), lead=key(f"hostapp.Member{number}", rule))
        return subject("user", erase(Team, by="owner"), erase(model(f"Member{number}", team=key(Team))))

    assert faults_of(cycle(models.CASCADE, "1")) == [CYCLE]
    assert order_of(cycle(models.SET_NULL, "2")) == [
        ("Team2.lead", "setNull"),
        ("Member2", "erased"),
        ("Team2", "erased"),
    ]


@isolate_apps(APP)
def test_of_several_keys_that_need_not_go_the_map_must_say_which_means_the_person():
    Visit = visit()
    Page = model("Page", owner=key(Visit, models.SET_NULL), editor=key(Visit, models.SET_NULL))

    assert faults_of(subject("user", erase(Visit, by="user_id"), erase(Page))) == [DECLARATION]
    assert order_of(subject("user", erase(Visit, by="user_id"), erase(Page, via="owner"))) == [
        ("Page", "erased"),
        ("Page.editor", "setNull"),
        ("Visit", "erased"),
    ]


@isolate_apps(APP)
def test_a_root_must_lead_to_one_project_or_say_that_it_means_all():
    Bare = model("Bare", user_id=text())
    Twice = model("Twice", user_id=text(), project=to_project(), other=to_project())
    Below = model("Below", user_id=text(), twice=key(Twice))

    assert faults_of(subject("user", erase(Bare, by="user_id"))) == [NO_PROJECT]
    assert faults_of(subject("user", erase(Bare, by="user_id", across_projects=True))) == []
    assert faults_of(subject("user", erase(Twice, by="user_id"), erase(Below))) == [NO_PROJECT]
    assert faults_of(subject("user", erase(Twice, by="user_id", project="other"), erase(Below))) == []
    assert faults_of(subject("user", erase(Below, by="user_id", project="twice__project"))) == []
    assert faults_of(subject("user", erase(Below, by="user_id", project="twice"))) == [DECLARATION]


@isolate_apps(APP)
def test_a_map_that_does_not_fit_the_models_is_an_error():
    Visit = visit()
    Click = model("Click", name=text())
    Short = model("Short", Visit, options={"proxy": True})
    root = erase(Visit, by="user_id")

    assert faults_of(subject("user")) == [DECLARATION]
    assert faults_of(subject("user", keep("nowhere.Visit", because="law"), root)) == [DECLARATION]
    assert faults_of(subject("user", root, erase(Short, by="user_id"))) == [DECLARATION]
    assert faults_of(subject("user", root, erase(Click))) == [DECLARATION]
    assert faults_of(subject("user", erase(Visit, by="owner"))) == [DECLARATION]
    assert faults_of(subject("user", anonymise(Visit, by="user_id", email=""))) == [DECLARATION]
    assert faults_of(subject("user", root, step(nothing, store="hostapp.Visit"))) == [DECLARATION]


@isolate_apps(APP)
def test_functions_of_the_host_run_first_last_or_before_the_model_declared_next():
    Visit = visit()
    Click = model("Click", visit=key(Visit))
    steps = {name: step(nothing, store=name) for name in ("first", "between", "last")}

    order = order_of(
        subject("user", steps["first"], erase(Click), steps["between"], erase(Visit, by="user_id"), steps["last"])
    )

    assert [name for name, _ in order] == ["first", "Click", "between", "Visit", "last"]


@isolate_apps(APP)
def test_columns_like_those_of_the_root_generic_keys_and_rows_left_behind_are_suspects_until_they_are_kept():
    Address = model("Address")
    Visit = model(
        "Visit",
        project=to_project(),
        login=text(),
        address=models.OneToOneField(Address, models.PROTECT, related_name="+"),
    )
    Log = model("Log", login=text())
    Mail = model("Mail", email=models.EmailField())
    model("Counted", user_id=models.IntegerField())  # the references of this map are texts
    Mark = model("Mark", content_type=key(ContentType), object_id=text(), about=GenericForeignKey())
    kept = [keep(each, because="no person's") for each in (Address, Log, Mail, Mark)]

    found = [told for told, _ in suspects_of(plan_of(subject("user", erase(Visit, by="login"))))]

    named = {name: text for name in ("Address", "Log", "Mail", "Mark") for text in found if f".{name}:" in text}
    assert len(found) == len(named) == 4
    assert "hostapp.Visit.address" in named["Address"]
    assert list(suspects_of(plan_of(subject("user", erase(Visit, by="login"), *kept)))) == []


@isolate_apps(APP)
def test_the_digest_of_a_plan_changes_with_what_it_does_and_only_then():
    Visit = visit()
    Click = model("Click", visit=key(Visit, models.SET_NULL), name=text())

    def digest(*entries: Any) -> str:
        return plan_of(subject("user", *entries)).digest

    root = erase(Visit, by="user_id")
    same = {digest(root, erase(Click)), digest(erase(Click), erase(Visit, by="user_id", project="project"))}
    different = {
        digest(root, anonymise(Click, name="")),
        digest(root, anonymise(Click, name="x")),
        digest(root, keep(Click, because="law")),
        digest(root, keep(Click, because="statistics")),
        digest(root, erase(Click, store="clicks")),
        digest(erase(Visit, by="id"), erase(Click)),
        digest(erase(Visit, by="user_id", across_projects=True), erase(Click)),
    }

    assert len(same) == 1
    assert len(same | different) == 8


@pytest.mark.parametrize(
    ("declare", "told"),
    [
        (lambda: subject("User"), "lower-case"),
        (lambda: subject("user", "shop.Visit"), "takes erase"),
        (lambda: subject("user", suspects="email"), "several names"),
        (lambda: anonymise("shop.Visit"), "values to set"),
        (lambda: keep("shop.Visit", because=" "), "because"),
        (lambda: keep("shop.Visit", because="x" * 201), "at most 200"),
        (lambda: erase("shop.Visit", across_projects=True), "need by="),
        (lambda: erase("shop.Visit", by="user", project="project", across_projects=True), "not both"),
        (lambda: step("reindex"), "takes a function"),
    ],
)
def test_a_declaration_that_is_wrong_in_itself_is_refused_at_once(declare: Any, told: str):
    with pytest.raises(ActionMisused, match=told):
        declare()
