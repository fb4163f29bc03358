"""A job erases by a map: the rows of its person in its project and no others, in order, with a receipt."""
# ruff: noqa: N806 – models are classes

from typing import Any

import pytest
from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.test.utils import isolate_apps

from jobs.erasure import anonymise, erase, keep, subject
from jobs.models import Job
from tests.support.erase_maps import APP, key, model, run_map, tables_of, text, to_project, told_of, visit
from tests.support.execution import ANA, BEN
from tests.support.factories import make_project

pytestmark = pytest.mark.django_db(transaction=True)


@isolate_apps(APP)
def test_only_the_rows_of_this_person_in_this_project_go_and_the_receipt_lists_the_stores_in_order():
    Visit = visit()
    Click = model("Click", visit=key(Visit))
    Target = model("Target", click=key(Click))
    mine, theirs = make_project(), make_project()
    told = subject("user", erase(Visit, by="user_id"), erase(Target, store="targets"), erase(Click, store="clicks"))

    with tables_of(Visit, Click, Target):
        for owner, project in [(ANA, mine), (ANA, mine), (BEN, mine), (ANA, theirs)]:
            row = Visit.objects.create(user_id=owner, project=project)
            Target.objects.create(click=Click.objects.create(visit=row))
        job = run_map(told, project=mine)
        left = list(Target.objects.order_by("id").values_list("click__visit__user_id", "click__visit__project"))

    assert told_of(job) == [
        ("targets", "erased", 2, 2, 0),
        ("clicks", "erased", 2, 2, 0),
        ("Visit", "erased", 2, 2, 0),
    ]
    assert job.receipt["found_nothing"] is False
    assert job.receipt["verified_at"]
    assert left == [(BEN, mine.pk), (ANA, theirs.pk)]


@isolate_apps(APP)
def test_rows_are_anonymised_kept_and_detached_and_the_receipt_says_why():
    Visit = visit()
    Bill = model("Bill", visit=key(Visit, models.SET_NULL), payer=text())
    Tax = model("Tax", visit=key(Visit, models.SET_NULL))
    Bonus = model("Bonus", visit=key(Visit, null=True))
    told = subject(
        "user",
        erase(Visit, by="user_id"),
        anonymise(Bill, payer="erased"),
        keep(Tax, because="Tax law"),
        anonymise(Bonus, visit=None),
    )

    project = make_project()
    with tables_of(Visit, Bill, Tax, Bonus):
        for owner in (ANA, BEN):
            row = Visit.objects.create(user_id=owner, project=project)
            for each in (Bill, Tax, Bonus):
                each.objects.create(visit=row)
        job = run_map(told, project=project)
        bills = list(Bill.objects.order_by("id").values_list("payer", "visit__user_id"))
        others = [list(each.objects.order_by("id").values_list("visit__user_id", flat=True)) for each in (Tax, Bonus)]

    assert sorted(told_of(job)[:3]) == [
        ("Bill", "anonymised", 1, 1, 0),
        ("Bonus", "anonymised", 1, 1, 0),
        ("Tax", "kept", 1, 0, None),
    ]
    assert told_of(job)[3:] == [
        ("Bill.visit", "setNull", 1, 1, 0),
        ("Tax.visit", "setNull", 1, 1, 0),
        ("Visit", "erased", 1, 1, 0),
    ]
    assert job.receipt["stores"]["hostapp.Tax"]["because"] == "Tax law"
    assert bills == [("erased", None), ("", BEN)]
    assert others == [[None, BEN], [None, BEN]]


@isolate_apps(APP)
def test_rows_with_several_keys_to_the_person_and_rows_of_pairs_go_once():
    Visit = visit()
    Pair = model("Pair", first=key(Visit), second=key(Visit))
    Tag = model("Tag", visits=models.ManyToManyField(Visit, related_name="+"))
    project = make_project()

    with tables_of(Visit, Pair, Tag):
        one, two, other = (Visit.objects.create(user_id=owner, project=project) for owner in (ANA, ANA, BEN))
        for pair in [(one, two), (one, other), (other, two), (other, other)]:
            Pair.objects.create(first=pair[0], second=pair[1])
        Tag.objects.create().visits.set([one, two, other])
        job = run_map(subject("user", erase(Visit, by="user_id"), erase(Pair)), project=project)
        left = Pair.objects.count(), Tag.objects.get().visits.count(), Visit.objects.get().user_id

    assert sorted(told_of(job)) == [
        ("Pair", "erased", 3, 3, 0),
        ("Tag_visits", "erased", 2, 2, 0),
        ("Visit", "erased", 2, 2, 0),
    ]
    assert left == (1, 1, BEN)


@isolate_apps(APP)
def test_answers_of_answers_go_with_what_refers_to_them_and_are_counted():
    Visit = visit()
    Comment = model("Comment", visit=key(Visit, null=True), parent=key("self", null=True))
    Like = model("Like", comment=key(Comment))
    project = make_project()

    with tables_of(Visit, Comment, Like):
        row = Visit.objects.create(user_id=ANA, project=project)
        Comment.objects.create()
        parent = Comment.objects.create(visit=row)
        for _ in range(4):
            parent = Comment.objects.create(parent=parent)
            Like.objects.create(comment=parent)
        Like.objects.create(comment=Comment.objects.first())
        job = run_map(subject("user", erase(Visit, by="user_id"), erase(Comment), erase(Like)), project=project)
        left = Comment.objects.count(), Like.objects.count()

    assert told_of(job) == [
        ("Like", "erased", 5, 5, 0),
        ("Comment", "erased", 5, 5, 0),
        ("Visit", "erased", 1, 1, 0),
    ]
    assert left == (1, 0)


@isolate_apps(APP)
def test_answers_go_also_where_the_key_to_the_person_could_be_null():
    Visit = visit()
    Comment = model("Comment", visit=key(Visit, models.SET_NULL), parent=key("self", null=True))
    project = make_project()

    with tables_of(Visit, Comment):
        mine = Comment.objects.create(visit=Visit.objects.create(user_id=ANA, project=project))
        Comment.objects.create(parent=mine)
        Comment.objects.create()
        job = run_map(subject("user", erase(Visit, by="user_id"), erase(Comment)), project=project)
        left = Comment.objects.count()

    assert told_of(job) == [("Comment", "erased", 2, 2, 0), ("Visit", "erased", 1, 1, 0)]
    assert left == 1


@isolate_apps(APP)
def test_a_row_that_refers_to_another_of_the_same_table_and_may_stay_is_set_to_null():
    Visit = visit(before=key("self", models.SET_NULL))
    project = make_project()

    with tables_of(Visit):
        first = Visit.objects.create(user_id=ANA, project=project)
        for owner in (ANA, BEN):
            Visit.objects.create(user_id=owner, project=project, before=first)
        job = run_map(subject("user", erase(Visit, by="user_id")), project=project)
        left = Visit.objects.get()

    assert told_of(job) == [("Visit.before", "setNull", 1, 1, 0), ("Visit", "erased", 2, 2, 0)]
    assert (left.user_id, left.before) == (BEN, None)


@isolate_apps(APP)
def test_a_cycle_is_erased_by_setting_a_key_to_null():
    Team = model("Team", project=to_project(), owner=text(), lead=key("hostapp.Member", models.SET_NULL))
    Member = model("Member", team=key(Team))
    project = make_project()

    with tables_of(Team, Member):
        for owner in (ANA, BEN):
            team = Team.objects.create(owner=owner, project=project)
            Team.objects.filter(pk=team.pk).update(lead=Member.objects.create(team=team))
        job = run_map(subject("user", erase(Team, by="owner"), erase(Member)), project=project)
        left = Team.objects.get().owner, Member.objects.get().team.owner

    assert told_of(job) == [
        ("Team.lead", "setNull", 1, 1, 0),
        ("Member", "erased", 1, 1, 0),
        ("Team", "erased", 1, 1, 0),
    ]
    assert left == (BEN, BEN)


@isolate_apps(APP)
@pytest.mark.parametrize("object_id", [models.BigIntegerField(), text()], ids=["number", "text"])
def test_rows_of_generic_relations_go_those_of_other_types_stay(object_id: Any):
    Note = model(
        "Note", content_type=key(ContentType), object_id=object_id, about=GenericForeignKey("content_type", "object_id")
    )
    Visit = visit(notes=GenericRelation(Note))
    project = make_project()

    with tables_of(Note, Visit):
        rows = [Visit.objects.create(user_id=owner, project=project) for owner in (ANA, BEN)]
        of_visit = ContentType.objects.get_for_model(Visit)
        for row in rows:
            Note.objects.create(content_type=of_visit, object_id=row.pk)
        Note.objects.create(content_type=ContentType.objects.get_for_model(Job), object_id=rows[0].pk)
        job = run_map(subject("user", erase(Visit, by="user_id"), erase(Note)), project=project)
        left = list(Note.objects.order_by("id").values_list("content_type__model", "object_id"))
    ContentType.objects.clear_cache()

    assert told_of(job) == [("Note", "erased", 1, 1, 0), ("Visit", "erased", 1, 1, 0)]
    assert [(name, str(number)) for name, number in left] == [
        ("visit", str(rows[1].pk)),
        ("job", str(rows[0].pk)),
    ]


@isolate_apps(APP)
def test_both_tables_of_an_inherited_row_go_with_what_refers_to_either():
    Person = model("Person", project=to_project(), email=text())
    Customer = model("Customer", Person, options={"ordering": []})
    Letter, Order = model("Letter", person=key(Person)), model("Order", customer=key(Customer))
    entries = [erase(Letter), erase(Order)]
    by_child = subject("user", erase(Customer, by="email", project="project"), *entries)
    by_parent = subject("user", erase(Person, by="email"), erase(Customer), *entries)
    project = make_project()

    for told, people in ((by_child, []), (by_parent, [("Person", "erased", 1, 1, 0)])):
        with tables_of(Person, Customer, Letter, Order):
            for owner in (ANA, BEN):
                customer = Customer.objects.create(email=owner, project=project)
                Letter.objects.create(person=customer)
                Order.objects.create(customer=customer)
            job = run_map(told, project=project)
            left = [each.objects.count() for each in (Person, Customer, Letter, Order)]

        assert sorted(told_of(job)) == sorted(
            [(name, "erased", 1, 1, 0) for name in ("Letter", "Order", "Customer")] + people
        )
        assert left == [1, 1, 1, 1]


@isolate_apps(APP)
def test_a_job_that_finds_nobody_says_so_and_completes():
    Visit = visit()

    with tables_of(Visit):
        job = run_map(subject("user", erase(Visit, by="user_id")), project=make_project())

    assert job.receipt["found_nothing"] is True
    assert told_of(job) == [("Visit", "erased", 0, 0, 0)]
