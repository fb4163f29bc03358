"""A map is held against the columns of the models: those that it sets, and keys that it cannot follow."""
# ruff: noqa: N806 – models are classes

import pytest
from django.contrib.contenttypes.fields import GenericRelation
from django.db import models
from django.test.utils import isolate_apps

from jobs.erasure import anonymise, erase, subject
from tests.support.erase_maps import APP, faults_of, key, model, note, text, visit


@isolate_apps(APP)
def test_one_value_for_all_persons_does_not_fit_a_unique_column():
    Visit = visit(code=models.CharField(max_length=9, unique=True, null=True))

    assert faults_of(subject("user", anonymise(Visit, by="user_id", code=""))) == ["DECLARATION"]
    assert faults_of(subject("user", anonymise(Visit, by="user_id", code=None))) == []


@isolate_apps(APP)
@pytest.mark.skipif(not hasattr(models, "CompositePrimaryKey"), reason="Django has it from 5.2 on")
def test_a_primary_key_of_several_columns_is_an_error():
    Visit = visit()
    Click = model(
        "Click",
        options={"ordering": []},
        pk=models.CompositePrimaryKey("visit", "number"),
        visit=key(Visit),
        number=models.IntegerField(),
    )

    for entry in (erase(Click), erase(Click, by="number", project="visit__project")):
        assert "IMPOSSIBLE" in faults_of(subject("user", erase(Visit, by="user_id"), entry))


@isolate_apps(APP)
def test_a_key_of_several_columns_is_an_error():
    Visit = visit(number=models.IntegerField(), notes=GenericRelation("hostapp.Note"))
    Note = note(text())
    model(
        "Click",
        number=models.IntegerField(),
        owner=text(),
        visit=models.ForeignObject(
            Visit, models.CASCADE, from_fields=["owner", "number"], to_fields=["user_id", "number"], related_name="+"
        ),
    )

    assert faults_of(subject("user", erase(Visit, by="user_id"), erase(Note))) == ["IMPOSSIBLE"]
