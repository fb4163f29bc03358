"""Keys that are not plain, that Python sees otherwise than the database, or whose case the database ignores."""
# ruff: noqa: N806 – models are classes

import uuid
from typing import Any

import pytest
from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models
from django.test.utils import isolate_apps

from jobs.erasure import erase, subject
from jobs.execution.runner import Outcome
from tests.support.concurrency import execute, sqlite_only
from tests.support.erase_maps import APP, key, model, note, run_map, tables_of, text, to_project, try_map, visit
from tests.support.execution import ANA, BEN
from tests.support.factories import make_project

pytestmark = pytest.mark.django_db(transaction=True)


@isolate_apps(APP)
def test_many_rows_below_one_go_where_keys_are_not_plain():
    Visit = visit(id=models.TextField(primary_key=True), before=key("self", null=True))
    mine = make_project()
    with tables_of(Visit):
        first = Visit.objects.create(id="0", project=mine, user_id=ANA)
        Visit.objects.bulk_create(Visit(id=f"1{n}", project=mine, user_id=BEN, before=first) for n in range(600))
        run_map(subject("user", erase(Visit, by="user_id")), project=mine)
        left = Visit.objects.count()

    assert left == 0


@isolate_apps(APP)
def test_many_rows_below_one_go_from_a_grandchild():
    Base = model("Base", project=to_project(), user_id=text())
    Middle = model("Middle", Base, options={"ordering": []})
    Leaf = model("Leaf", Middle, up=key("self", null=True), options={"ordering": []})
    mine = make_project()
    with tables_of(Base, Middle, Leaf):
        first = Leaf.objects.create(project=mine, user_id=ANA)
        for _ in range(600):
            Leaf.objects.create(project=mine, user_id=BEN, up=first)
        run_map(subject("user", erase(Leaf, by="user_id", project="project")), project=mine)
        left = Leaf.objects.count()

    assert left == 0


@isolate_apps(APP)
@pytest.mark.parametrize("how", ["key", "own key", "generic"])
def test_a_job_does_not_complete_over_rows_that_follow_in_another_case(how: str):
    collation = "NOCASE"
    if connection.vendor == "postgresql":
        collation = "ignoring_case"
        options = "provider = icu, locale = 'und-u-ks-level2', deterministic = false"
        execute(f"CREATE COLLATION IF NOT EXISTS {collation} ({options})")
    Note = note(models.CharField(max_length=40, db_collation=collation))
    number = models.CharField(max_length=40, primary_key=True, db_collation=collation)
    Visit = visit(id=number, before=key("self", null=True), notes=GenericRelation(Note))
    Click = model("Click", visit=key(Visit))
    mine = make_project()
    with tables_of(Note, Visit, Click):
        first = Visit.objects.create(id="abc", project=mine, user_id=ANA)
        if how == "key":
            Click.objects.create(visit_id="ABC")
        elif how == "own key":
            Visit.objects.create(id="x", project=mine, user_id=BEN, before_id="ABC")
        else:
            Note.objects.create(about=first)
            Note.objects.update(object_id="ABC")
        outcome, _ = try_map(subject("user", erase(Visit, by="user_id"), erase(Click), erase(Note)), project=mine)
        left = {"own key": Visit, "key": Click, "generic": Note}[how].objects.count()

    assert outcome is not Outcome.COMPLETED
    assert left


class PrefixedKey(models.BigIntegerField):
    """A number that Python sees as ``usr_7``."""

    def from_db_value(self, value: Any, *_: Any) -> Any:
        return self.to_python(value)

    def to_python(self, value: Any) -> Any:
        return value if value is None or str(value).startswith("usr_") else f"usr_{value}"

    def get_prep_value(self, value: Any) -> Any:
        return value if value is None else int(str(value).removeprefix("usr_"))


@isolate_apps(APP)
def test_rows_follow_where_python_sees_other_keys_than_the_database():
    Visit = visit(id=PrefixedKey(primary_key=True))
    Click = model("Click", visit=key(Visit))
    mine = make_project()
    with tables_of(Visit, Click):
        Click.objects.create(visit=Visit.objects.create(id="usr_7", project=mine, user_id=ANA))
        run_map(subject("user", erase(Visit, by="user_id"), erase(Click)), project=mine)
        left = Visit.objects.count(), Click.objects.count()

    assert left == (0, 0)


@isolate_apps(APP)
@sqlite_only
def test_sqlite_reads_the_statement_for_uuids_in_texts_where_rows_follow_by_several_ways():
    Note = model_of_notes()
    Visit = visit(id=models.UUIDField(primary_key=True, default=uuid.uuid4), notes=GenericRelation(Note))
    Page = model("Page", visit=key(Visit), note=key(Note, to_field="code"), up=key("self", models.SET_NULL))
    mine = make_project()
    with tables_of(Note, Visit, Page):
        first = Visit.objects.create(project=mine, user_id=ANA)
        Page.objects.create(visit=first, note=Note.objects.create(about=first))
        told = subject(
            "user", erase(Visit, by="user_id"), erase(Note), erase(Page, by="note__code", across_projects=True)
        )
        run_map(told, project=mine)
        left = Visit.objects.count(), Note.objects.count(), Page.objects.count()

    assert left == (0, 0, 0)


def model_of_notes() -> Any:
    about = GenericForeignKey()
    members = {"content_type": key(ContentType), "object_id": models.CharField(max_length=40), "about": about}
    code = models.CharField(max_length=40, unique=True)
    return model("Note", up=key("self", null=True, to_field="code"), code=code, **members)
