"""The maps of *Write a map for usual shapes* erase this person's rows and no other's, and their receipts say so."""
# ruff: noqa: N806 – models are classes

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage
from django.db import models
from django.db.models.signals import post_delete
from django.test.utils import isolate_apps

from jobs import actions
from jobs.erasure import Subject
from jobs.erasure.planning import plan_of
from jobs.erasure.suspects import suspects_of
from jobs.execution.chunks import stores_of
from jobs.testing import make_job, run_due_jobs
from tests.support.doc_pages import snippets
from tests.support.erase_maps import APP, faults_of, key, model, run_map, tables_of, text, to_project, told_of
from tests.support.execution import ANA, BEN
from tests.support.factories import make_project
from tests.support.second_database import second_database

pytestmark = pytest.mark.django_db(transaction=True)

Names = dict[str, Any]


def person(**members: Any) -> Any:
    return model("Customer", project=to_project(), email=text(), **members)


def shape(name: str, **names: Any) -> Names:
    """Run the snippets of one section, with the shop's models and the imports of the page; return all names."""
    page = snippets("erase-map")
    known: Names = {"__name__": APP, "models": models, "GenericRelation": GenericRelation, **names}
    for title in ("shop/job_actions.py: imports", f"shop/models.py: {name}", f"shop/job_actions.py: {name}"):
        exec(compile(page.get(title, ""), title, "exec"), known)
    assert faults_of(known["user"]) == []
    assert suspected_by(known["user"]) == (["hostapp.Visit"] if name == "archive" else [])
    return known


def suspected_by(told: Subject) -> list[str]:
    return [re.findall(r"does not know ([\w.]+): ", text)[0] for text, _ in suspects_of(plan_of(told))]


class Unmarked(models.QuerySet[Any]):
    def delete(self) -> Any:
        return self.update(is_deleted=True), {}


class Current(models.Manager.from_queryset(Unmarked)):
    def get_queryset(self) -> Any:
        return super().get_queryset().filter(is_deleted=False)


@isolate_apps(APP)
def test_rows_that_a_manager_marks_as_deleted_go():
    Customer = person()
    Note = model(
        "Note", customer=key(Customer), is_deleted=models.BooleanField(), objects=Current(), rows=models.Manager()
    )
    mine = make_project()

    with tables_of(Customer, Note):
        for email in (ANA, BEN):
            customer = Customer.objects.create(project=mine, email=email)
            for is_deleted in (True, False):
                Note.rows.create(customer=customer, is_deleted=is_deleted)
        job = run_map(shape("marked", Customer=Customer, Note=Note)["user"], project=mine)
        left = list(Note.rows.values_list("customer__email", flat=True))

    assert told_of(job) == [("Note", "erased", 2, 2, 0), ("Customer", "erased", 1, 1, 0)]
    assert left == [BEN, BEN]


@isolate_apps(APP)
def test_tenants_are_found_by_a_path():
    Shop = model("Shop", project=to_project())
    Customer = model("Customer", shop=key(Shop), email=text())
    mine, foreign = make_project(), make_project()
    known = shape("tenants", Customer=Customer)

    with tables_of(Shop, Customer):
        for project, email in ((mine, ANA), (mine, BEN), (foreign, ANA)):
            Customer.objects.create(shop=Shop.objects.create(project=project), email=email)
        job = run_map(known["user"], project=mine)
        left = set(Customer.objects.values_list("shop__project", "email"))

    assert told_of(job) == [("Customer", "erased", 1, 1, 0)]
    assert left == {(mine.pk, BEN), (foreign.pk, ANA)}
    assert faults_of(known["subject"]("user", known["erase"](Customer, by="email"))) == ["NO_PROJECT"]


@isolate_apps(APP)
def test_comments_stay_without_their_author():
    Customer = person()
    known = shape("comments", Customer=Customer)
    Comment = known["Comment"]
    mine = make_project()

    with tables_of(Customer, Comment):
        for email in (ANA, BEN):
            author = Customer.objects.create(project=mine, email=email)
            Comment.objects.bulk_create(Comment(author=author, author_name=email, text="Yes") for _ in range(2))
        job = run_map(known["user"], project=mine)
        left = sorted(Comment.objects.values_list("author__email", "author_name", "text"), key=str)

    assert told_of(job) == [("Comment", "anonymised", 2, 2, 0), ("Customer", "erased", 1, 1, 0)]
    assert left == [(BEN, BEN, "Yes")] * 2 + [(None, "", "Yes")] * 2


@isolate_apps(APP)
def test_orders_under_tax_law_stay():
    Customer = person()
    known = shape("orders", Customer=Customer)
    Order = known["Order"]
    mine = make_project()

    with tables_of(Customer, Order):
        for email in (ANA, BEN):
            Order.objects.create(customer=Customer.objects.create(project=mine, email=email), bill_to=email)
        job = run_map(known["user"], project=mine)
        left = set(Order.objects.values_list("customer__email", "bill_to"))

    assert sorted(told_of(job)) == [
        ("Customer", "erased", 1, 1, 0),
        ("Order", "kept", 1, 0, None),
        ("Order.customer", "setNull", 1, 1, 0),
    ]
    assert job.receipt["stores"]["hostapp.Order"]["because"] == "Tax law: ten years"
    assert left == {(BEN, BEN), (None, ANA)}


@isolate_apps(APP)
@pytest.mark.parametrize("on_delete", [models.CASCADE, models.PROTECT])
def test_orders_that_would_go_or_are_in_the_way_cannot_be_kept(on_delete: Any):
    Customer = person()
    known = shape("orders", Customer=Customer)
    Bill = model("Bill", customer=key(Customer, on_delete))
    erase, keep, subject = (known[name] for name in ("erase", "keep", "subject"))
    told = subject("user", erase(Customer, by="email"), keep(known["Order"], because="Law"), keep(Bill, because="Law"))

    assert faults_of(told) == ["IMPOSSIBLE"]


@isolate_apps(APP)
def test_lines_of_a_log_go_by_their_address():
    Customer, LogLine = person(), model("LogLine", email=text())
    mine = make_project()

    with tables_of(Customer, LogLine):
        for email in (ANA, BEN):
            Customer.objects.create(project=mine, email=email)
            LogLine.objects.bulk_create(LogLine(email=email) for _ in range(3))
        known = shape("logs", Customer=Customer, LogLine=LogLine)
        job = run_map(known["user"], project=mine)
        left = list(LogLine.objects.values_list("email", flat=True))
        without = known["subject"]("user", known["erase"](Customer, by="email"))

    assert sorted(told_of(job)) == [("Customer", "erased", 1, 1, 0), ("LogLine", "erased", 3, 3, 0)]
    assert left == [BEN] * 3
    assert suspected_by(without) == ["hostapp.LogLine"]


@isolate_apps(APP)
def test_files_that_a_text_names_are_deleted_before_it():
    Customer = person()
    Export = model("Export", customer=key(Customer), name=text())
    storage = InMemoryStorage()
    mine = make_project()

    with tables_of(Customer, Export):
        for email in (ANA, BEN):
            name = storage.save(f"{email}.csv", ContentFile(b"x"))
            Export.objects.create(customer=Customer.objects.create(project=mine, email=email), name=name)
        known = shape("files", Customer=Customer, Export=Export, default_storage=storage)
        job = run_map(known["user"], project=mine)
        left = list(Export.objects.values_list("name", flat=True))

    entry = job.receipt["stores"]["delete_exports"]
    assert (entry["done"], entry["what"]) == (1, "called")
    assert [line[:4] for line in told_of(job)[1:]] == [("Export", "erased", 1, 1), ("Customer", "erased", 1, 1)]
    assert left == storage.listdir("")[1] == [f"{BEN}.csv"]


@isolate_apps(APP)
def test_a_search_index_is_told_after_the_rows_went():
    Customer = person()
    mine = make_project()
    told: list[Any] = []

    def delete(**terms: Any) -> None:
        told.append((terms, Customer.objects.filter(email=ANA).count()))

    with tables_of(Customer):
        for email in (ANA, BEN):
            Customer.objects.create(project=mine, email=email)
        job = run_map(shape("search", Customer=Customer, index=SimpleNamespace(delete=delete))["user"], project=mine)
        left = list(Customer.objects.values_list("email", flat=True))

    assert [line[:2] for line in told_of(job)] == [("Customer", "erased"), ("remove_from_index", "called")]
    assert told == [({"project": mine.pk, "email": ANA}, 0)]
    assert left == [BEN]


@isolate_apps(APP)
def test_rows_in_a_second_database_go_by_a_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    Customer = person()
    Visit = model("Visit", project_id=models.BigIntegerField(), email=text())
    mine, foreign = make_project(), make_project()
    monkeypatch.setattr(actions, "_registry", {})
    shape("archive", Customer=Customer, Visit=Visit)

    with second_database("archive", tmp_path) as archive, tables_of(Customer):
        with archive.schema_editor() as editor:
            editor.create_model(Visit)
        for project, email in ((mine, ANA), (mine, BEN), (foreign, ANA)):
            Customer.objects.create(project=project, email=email)
            Visit.objects.using("archive").create(project_id=project.pk, email=email)
        make_job("delete_user_data", project=mine, reference_id=ANA)
        (job,) = run_due_jobs()
        left = set(Visit.objects.using("archive").values_list("project_id", "email"))
        stays = set(Customer.objects.values_list("project", "email"))

    assert job.status == "completed", job.errors
    assert [line[:2] for line in told_of(job)] == [("erase_in_archive", "called"), ("Customer", "erased")]
    assert left == stays == {(mine.pk, BEN), (foreign.pk, ANA)}


@isolate_apps(APP)
def test_generic_tags_go_with_what_they_are_at():
    Tag = model("Tag", name=text())
    about = GenericForeignKey()
    TaggedItem = model(
        "TaggedItem", tag=key(Tag), content_type=key(ContentType), object_id=models.BigIntegerField(), about=about
    )
    Customer = person()
    known = shape("tags", Customer=Customer, TaggedItem=TaggedItem)
    Article = known["Article"]
    mine = make_project()

    with tables_of(Customer, Tag, TaggedItem, Article):
        tag = Tag.objects.create(name="news")
        for email in (ANA, BEN):
            article = Article.objects.create(author=Customer.objects.create(project=mine, email=email))
            TaggedItem.objects.create(tag=tag, about=article)
        job = run_map(known["user"], project=mine)
        tagged = TaggedItem.objects.values("object_id")
        left = list(Article.objects.filter(pk__in=tagged).values_list("author__email", flat=True))
        items = TaggedItem.objects.count()
        tags = Tag.objects.count()

    erased = ("erased", 1, 1, 0)
    assert told_of(job) == [("TaggedItem", *erased), ("Article", *erased), ("Customer", *erased)]
    assert (left, items, tags) == ([BEN], 1, 1)


@isolate_apps(APP)
def test_the_copies_of_a_history_table_go_with_those_of_an_earlier_address():
    Customer = person()
    # As django-simple-history makes it: the old values, and the keys without a constraint.
    HistoricalCustomer = model(
        "HistoricalCustomer",
        history_id=models.BigAutoField(primary_key=True),
        id=models.BigIntegerField(),
        project=to_project(on_delete=models.DO_NOTHING, db_constraint=False),
        email=text(),
    )
    mine = make_project()

    def copy(instance: Any, **_: Any) -> None:
        HistoricalCustomer.objects.create(id=instance.pk, project=instance.project, email=instance.email)

    known = shape("history", Customer=Customer, HistoricalCustomer=HistoricalCustomer)
    post_delete.connect(copy, sender=Customer)
    with tables_of(Customer, HistoricalCustomer):
        for email in (ANA, BEN):
            customer = Customer.objects.create(project=mine, email=email)
            for old in (f"earlier-{email}", email):
                HistoricalCustomer.objects.create(id=customer.pk, project=mine, email=old)
        job = run_map(known["user"], project=mine)
        left = set(HistoricalCustomer.objects.values_list("email", flat=True))
    post_delete.disconnect(copy, sender=Customer)

    assert left == {BEN, f"earlier-{BEN}"}
    assert [(name.removeprefix("hostapp."), entry["done"]) for name, entry in stores_of(job.receipt)] == [
        *(("erase_copies", 1), ("Customer", 1), ("HistoricalCustomer", 1), ("copies", 2)),
    ]
