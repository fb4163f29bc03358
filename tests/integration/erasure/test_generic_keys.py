"""Rows with a generic key follow by exactly the type and the key of a person's row, however both are stored."""
# ruff: noqa: N806 – models are classes

import uuid
from typing import Any

import pytest
from django.contrib.contenttypes.fields import GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.test.utils import isolate_apps

from jobs.erasure import anonymise, erase, subject
from tests.support.erase_maps import APP, faults_of, model, note, run_map, tables_of, text, told_of, visit
from tests.support.execution import ANA, BEN
from tests.support.factories import make_project

pytestmark = pytest.mark.django_db(transaction=True)


@isolate_apps(APP)
@pytest.mark.parametrize("object_id", [text(), models.TextField(), models.UUIDField()])
@pytest.mark.parametrize("stays", [True, False])
def test_a_uuid_is_found_in_a_text_as_it_is_in_a_uuid(object_id: Any, stays: bool):
    Note = note(object_id.clone())
    Visit = visit(id=models.UUIDField(primary_key=True, default=uuid.uuid4), notes=GenericRelation(Note))
    root = anonymise(Visit, by="user_id", user_id="") if stays else erase(Visit, by="user_id")
    mine = make_project()

    with tables_of(Note, Visit):
        for owner in (ANA, BEN):
            Note.objects.create(about=Visit.objects.create(project=mine, user_id=owner))
        bens = Visit.objects.get(user_id=BEN).pk
        job = run_map(subject("user", root, erase(Note)), project=mine)
        left = [str(note.object_id) for note in Note.objects.all()]

    assert told_of(job)[0] == ("Note", "erased", 1, 1, 0)
    assert left == [str(bens)]


@isolate_apps(APP)
def test_a_key_that_a_short_text_cannot_hold_is_not_cut_to_another():
    Note = note(models.CharField(max_length=3))
    Visit = visit(notes=GenericRelation(Note))
    mine = make_project()

    with tables_of(Note, Visit):
        Visit.objects.create(id=1234, project=mine, user_id=ANA)
        Note.objects.create(about=Visit.objects.create(id=123, project=mine, user_id=BEN))
        job = run_map(subject("user", erase(Visit, by="user_id"), erase(Note)), project=mine)

    assert told_of(job) == [("Note", "erased", 0, 0, 0), ("Visit", "erased", 1, 1, 0)]


@isolate_apps(APP)
def test_a_big_number_is_no_key_of_a_narrower_column():
    Note = note(models.PositiveSmallIntegerField())
    Visit = visit(notes=GenericRelation(Note))
    mine = make_project()

    with tables_of(Note, Visit):
        Visit.objects.create(id=2**40, project=mine, user_id=ANA)
        Note.objects.create(about=Visit.objects.create(id=7, project=mine, user_id=ANA))
        job = run_map(subject("user", erase(Visit, by="user_id"), erase(Note)), project=mine)

    assert told_of(job) == [("Note", "erased", 1, 1, 0), ("Visit", "erased", 2, 2, 0)]


@isolate_apps(APP)
def test_keys_that_cannot_be_compared_are_an_error():
    Note = note(models.PositiveIntegerField())
    named = model("Named", code=models.CharField(max_length=9, primary_key=True), notes=GenericRelation(Note))
    Visit = visit(name=models.ForeignKey(named, models.CASCADE))
    told = subject("user", erase(named, by="code", across_projects=True), erase(Visit), erase(Note))

    assert faults_of(told) == ["IMPOSSIBLE"]


@isolate_apps(APP)
@pytest.mark.parametrize("stays", [True, False])
@pytest.mark.parametrize("is_on_proxy", [True, False])
def test_a_row_is_found_by_the_type_of_any_proxy_of_it(stays: bool, is_on_proxy: bool):
    Note = note(models.BigIntegerField(), for_concrete_model=False)
    on_visit: dict[str, Any] = {} if is_on_proxy else {"notes": GenericRelation(Note, for_concrete_model=False)}
    on_proxy = {"notes": GenericRelation(Note, for_concrete_model=False)} if is_on_proxy else {}
    Visit = visit(**on_visit)
    proxies = [model(name, Visit, options={"proxy": True}, **on_proxy) for name in ("Short", "Special")]
    root = anonymise(Visit, by="user_id", user_id="") if stays else erase(Visit, by="user_id")
    mine = make_project()

    with tables_of(Note, Visit):
        for each in (Visit, *proxies):
            for owner in (ANA, BEN):
                Note.objects.create(about=each.objects.create(project=mine, user_id=owner))
        job = run_map(subject("user", root, erase(Note)), project=mine)
        left = list(Note.objects.values_list("content_type__model", flat=True))

    assert told_of(job)[0] == ("Note", "erased", 3, 3, 0)
    assert sorted(left) == ["short", "special", "visit"]


@isolate_apps(APP, "jobsite")
def test_the_name_of_a_proxy_in_another_app_is_another_type():
    Note = note(models.BigIntegerField(), for_concrete_model=False)
    Visit = visit()
    options = {"proxy": True, "app_label": "jobsite"}
    model("Order", Visit, options=options, notes=GenericRelation(Note, for_concrete_model=False))
    mine = make_project()

    with tables_of(Note, Visit):
        row = Visit.objects.create(project=mine, user_id=ANA)
        another = ContentType.objects.create(app_label="hostapp", model="order")
        Note.objects.create(content_type=another, object_id=row.pk)
        job = run_map(subject("user", erase(Visit, by="user_id"), erase(Note)), project=mine)
        Note.objects.all().delete()
        another.delete()

    assert told_of(job) == [("Note", "erased", 0, 0, 0), ("Visit", "erased", 1, 1, 0)]
