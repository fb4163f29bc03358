"""Rows of models that inherit from others are in several tables: the map says of each what happens to it."""
# ruff: noqa: N806 – models are classes

from typing import Any

import pytest
from django.db import models
from django.test.utils import isolate_apps

from jobs.erasure import anonymise, erase, keep, subject
from tests.support.erase_maps import (
    APP,
    add_part,
    child,
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
)
from tests.support.execution import ANA, BEN
from tests.support.factories import make_project

pytestmark = pytest.mark.django_db(transaction=True)


def person() -> Any:
    return model("Person", project=to_project(), email=text())


@isolate_apps(APP)
def test_rows_that_are_in_the_tables_of_two_child_models_go_from_all():
    Person = person()
    Customer, Staff = child("Customer", Person), child("Staff", Person)
    Pay = model("Pay", staff=key(Staff))
    told = subject("user", erase(Person, by="email"), erase(Customer), erase(Staff), erase(Pay))
    mine = make_project()

    with tables_of(Person, Customer, Staff, Pay):
        for owner in (ANA, BEN):
            row = Person.objects.create(email=owner, project=mine)
            add_part(Customer, row)
            Pay.objects.create(staff=add_part(Staff, row))
        Staff.objects.create(email=ANA, project=mine)
        found = preview_of(told, project=mine)
        job = run_map(told, project=mine)
        left = [each.objects.count() for each in (Person, Customer, Staff, Pay)]

    assert {name: done for name, _, _, done, _ in told_of(job)} == {"Person": 2, "Customer": 1, "Staff": 2, "Pay": 1}
    assert counts_of(found) == {"Person": 2, "Customer": 1, "Staff": 2, "Pay": 1}
    assert left == [1, 1, 1, 1]


@isolate_apps(APP)
def test_from_one_child_model_the_rows_of_another_are_reached():
    Person = person()
    Customer, Staff = child("Customer", Person, number=text()), child("Staff", Person)
    Pay = model("Pay", staff=key(Staff))
    root = erase(Customer, by="number", project="project")
    told = subject("user", root, erase(Staff), erase(Pay))
    mine = make_project()

    assert faults_of(subject("user", root)) == ["LEFT_OUT", "LEFT_OUT"]
    with tables_of(Person, Customer, Staff, Pay):
        for owner in (ANA, BEN):
            row = Person.objects.create(email=owner, project=mine)
            add_part(Customer, row, number=owner)
            Pay.objects.create(staff=add_part(Staff, row))
        Pay.objects.create(staff=Staff.objects.create(email=ANA, project=mine))
        job = run_map(told, project=mine)
        left = [each.objects.count() for each in (Person, Customer, Staff, Pay)]

    assert told_of(job) == [("Pay", "erased", 1, 1, 0), ("Staff", "erased", 1, 1, 0), ("Customer", "erased", 1, 1, 0)]
    assert left == [2, 1, 2, 2]


@isolate_apps(APP)
def test_the_parent_may_stay_while_the_part_in_the_child_goes():
    Person = person()
    Customer, Order = child("Customer", Person, number=text()), None
    Order = model("Order", customer=key(Customer))
    told = subject("user", anonymise(Person, by="email", email=""), erase(Customer), erase(Order))
    mine = make_project()

    with tables_of(Person, Customer, Order):
        for owner in (ANA, BEN):
            Order.objects.create(customer=Customer.objects.create(email=owner, project=mine))
        job = run_map(told, project=mine)
        left = list(Person.objects.order_by("id").values_list("email", flat=True)), Customer.objects.get().email

    assert [(name, what, done) for name, what, _, done, _ in told_of(job)] == [
        ("Order", "erased", 1),
        ("Customer", "erased", 1),
        ("Person", "anonymised", 1),
    ]
    assert left == (["", BEN], BEN)


@isolate_apps(APP)
@pytest.mark.parametrize(
    "entry", [lambda each: keep(each, because="law"), lambda each: anonymise(each, by="email", email="")]
)
def test_the_parent_does_not_stay_where_the_child_is_found_by_itself(entry: Any):
    Person = person()
    Customer = child("Customer", Person)

    assert faults_of(subject("user", erase(Customer, by="email", project="project"), entry(Person))) == ["IMPOSSIBLE"]


@isolate_apps(APP)
def test_rows_found_by_a_column_in_the_parents_table_are_anonymised_before_it_is():
    Person = person()
    Customer = child("Customer", Person, number=text())
    told = subject(
        "user",
        anonymise(Person, by="email", email=""),
        anonymise(Customer, by="email", project="project", number=""),
    )
    mine = make_project()

    assert order_of(told) == [("Customer", "anonymised"), ("Person", "anonymised")]
    with tables_of(Person, Customer):
        Customer.objects.create(email=ANA, number="7", project=mine)
        run_map(told, project=mine)
        left = Customer.objects.get()

    assert (left.email, left.number) == ("", "")
    wrong = subject(
        "user",
        anonymise(Person, by="email", email=""),
        anonymise(Customer, by="email", project="project", values={"email": ""}),
    )
    assert faults_of(wrong) == ["DECLARATION"]


@isolate_apps(APP)
@pytest.mark.parametrize("stays", [True, False])
def test_a_column_in_the_parents_table_finds_rows_that_further_rows_follow_from(stays: bool):
    Person = person()
    Customer = child("Customer", Person, number=text())
    Letter = model("Letter", person=key(Person, models.SET_NULL))
    options: dict[str, Any] = {"by": "email", "project": "project"}
    root = anonymise(Customer, number="", email="", **options) if stays else erase(Customer, **options)
    mine = make_project()

    with tables_of(Person, Customer, Letter):
        for owner in (ANA, BEN):
            Letter.objects.create(person=Customer.objects.create(email=owner, number=owner, project=mine))
        job = run_map(subject("user", root, erase(Letter)), project=mine)
        left = list(Letter.objects.values_list("person__email", flat=True))
        mails = list(Person.objects.order_by("id").values_list("email", flat=True))

    assert [done for *_, done, _ in told_of(job)] == [1, 1]
    assert left == [BEN]
    assert mails == (["", BEN] if stays else [BEN])


@isolate_apps(APP)
def test_grandchildren_go_from_all_three_tables():
    Person = person()
    Customer = child("Customer", Person)
    Best = child("Best", Customer)
    Gift = model("Gift", best=key(Best))
    by_parent = subject("user", erase(Person, by="email"), erase(Customer), erase(Best), erase(Gift))
    by_middle = subject("user", erase(Customer, by="email", project="project"), erase(Best), erase(Gift))
    by_child = subject("user", erase(Best, by="email", project="project"), erase(Gift))
    mine = make_project()

    for told in (by_parent, by_middle, by_child):
        with tables_of(Person, Customer, Best, Gift):
            for owner in (ANA, BEN):
                Gift.objects.create(best=Best.objects.create(email=owner, project=mine))
            job = run_map(told, project=mine)
            left = [each.objects.count() for each in (Person, Customer, Best, Gift)]

        assert all(done == 1 for *_, done, _ in told_of(job))
        assert left == [1, 1, 1, 1]


@isolate_apps(APP)
def test_a_key_of_a_child_table_to_its_parents_and_several_parents_are_errors():
    Person = person()
    Customer = child("Customer", Person, boss=key(Person, null=True))
    Letter = model("Letter", person=key(Person))
    Thing = model("Thing", code=models.CharField(max_length=9, primary_key=True))
    Robot = child("Robot", Person, thing_ptr=models.OneToOneField(Thing, models.CASCADE, parent_link=True))

    class Both(Person, Thing):  # type: ignore[misc, valid-type]
        __module__ = APP

        class Meta:
            app_label = "hostapp"
            db_table = "erasemap_both"

    assert "IMPOSSIBLE" in faults_of(
        subject("user", erase(Person, by="email"), erase(Customer), erase(Letter), erase(Robot), erase(Both))
    )
