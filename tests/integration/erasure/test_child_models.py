"""Child models of one parent that are found by keys of their own: no row of one is erased as a part of another."""
# ruff: noqa: N806 – models are classes

from typing import Any

import pytest
from django.db import models
from django.test.utils import isolate_apps

from jobs import JobContext
from jobs.erasure import anonymise, erase, keep, step, subject
from tests.support.erase_maps import (
    APP,
    add_part,
    child,
    counts_of,
    faults_of,
    key,
    model,
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


def siblings(rule: Any = models.CASCADE) -> Any:
    """Return a person's model with two child models that are found by keys of their own, and what refers to each."""
    Account = model("Account", project=to_project(), user_id=text())
    Person = model("Person", email=text())
    Customer = child("Customer", Person, account=key(Account))
    Staff = child("Staff", Person, account=key(Account, rule))
    return Account, Person, Customer, Staff, model("Letter", person=key(Person)), model("Pay", staff=key(Staff))


@isolate_apps(APP)
@pytest.mark.parametrize("is_kept", [True, False])
def test_child_models_with_ways_of_their_own_are_erased_where_no_row_is_of_both(is_kept: bool):
    Account, _, Customer, Staff, Letter, Pay = made = siblings(models.SET_NULL if is_kept else models.CASCADE)
    root, both = erase(Account, by="user_id"), [erase(Customer), erase(Letter)]
    kept = subject("user", root, *both, keep(Staff, because="law"))
    told = kept if is_kept else subject("user", root, *both, erase(Staff), erase(Pay))
    mine = make_project()

    with tables_of(*made):
        for owner in (ANA, BEN):
            account = Account.objects.create(user_id=owner, project=mine)
            for each in (Customer, Staff):
                Letter.objects.create(person=each.objects.create(email=owner, account=account))
            Pay.objects.create(staff=Staff.objects.get(account=account))
        found = preview_of(told, project=mine)
        job = run_map(told, project=mine)
        left = {each.__name__: each.objects.count() for each in made}

    done = {name: done for name, _, _, done, _ in told_of(job)}
    assert {name: rows for name, rows in counts_of(found).items() if name != "Staff"}.items() <= done.items()
    if is_kept:
        assert done == {"Account": 1, "Customer": 1, "Letter": 1, "Staff": 0, "Staff.account": 1}
        assert left == {"Account": 1, "Person": 3, "Customer": 1, "Staff": 2, "Letter": 3, "Pay": 2}
    else:
        assert done == {"Account": 1, "Customer": 1, "Letter": 2, "Staff": 1, "Pay": 1}
        assert left == {"Account": 1, "Person": 2, "Customer": 1, "Staff": 1, "Letter": 2, "Pay": 1}


@isolate_apps(APP)
@pytest.mark.parametrize("is_found", [True, False])
@pytest.mark.parametrize("is_kept", [True, False])
def test_a_row_of_two_child_models_that_are_not_found_as_parts_ends_the_job_before_any_row_goes(
    is_found: bool, is_kept: bool
):
    Account, Person, Customer, Staff, Letter, Pay = made = siblings(models.SET_NULL)
    root, both = erase(Account, by="user_id"), [erase(Customer), erase(Letter)]
    rest = [keep(Staff, because="law")] if is_kept else [erase(Staff, via="account"), erase(Pay)]
    told = subject("user", root, *both, *rest)
    mine = make_project()

    with tables_of(*made):
        account = Account.objects.create(user_id=ANA, project=mine)
        Customer.objects.create(email=ANA, account=account)
        add_part(Staff, Person.objects.get(), account=account if is_found else None)
        found = preview_of(told, project=mine)
        job = run_map(told, project=mine, completes=False)
        left = [each.objects.count() for each in (Account, Person, Customer, Staff)]

    assert found.refused_by in ("hostapp.Staff", "hostapp.Customer")
    assert "must stay" in job.errors
    assert left == [1, 1, 1, 1]


@isolate_apps(APP)
def test_a_part_that_is_kept_and_is_added_while_the_job_runs_ends_it_before_the_row_goes():
    Account, Person, Customer, Staff, Letter, _ = made = siblings(models.SET_NULL)

    def add(job: JobContext) -> None:
        with job.chunk():
            add_part(Staff, Person.objects.get())

    root, kept = erase(Account, by="user_id"), keep(Staff, because="law")
    told = subject("user", root, erase(Letter), step(add), erase(Customer), kept)
    mine = make_project()

    with tables_of(*made):
        Customer.objects.create(account=Account.objects.create(user_id=ANA, project=mine))
        run_map(told, project=mine, completes=False)
        left = [each.objects.count() for each in (Account, Person, Customer, Staff)]

    assert left == [1, 1, 1, 1]


@isolate_apps(APP)
def test_of_several_child_models_that_are_found_by_themselves_none_stays_without_its_part():
    Person = model("Person", project=to_project(), email=text())
    Customer, Staff = child("Customer", Person, number=text()), child("Staff", Person, login=text())
    first = erase(Customer, by="number", project="project")

    def by_login(entry: Any, **values: Any) -> Any:
        return entry(Staff, by="login", project="project", **values)

    assert faults_of(subject("user", first, by_login(erase))) == []
    assert faults_of(subject("user", first, by_login(keep, because="law"))) == []
    assert faults_of(subject("user", first, by_login(anonymise, login=""))) == ["IMPOSSIBLE"]
