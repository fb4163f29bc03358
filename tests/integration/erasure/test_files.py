"""Files of rows that a map erases or anonymises are removed, and no others."""
# ruff: noqa: N806 – models are classes

from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import InMemoryStorage
from django.db import models
from django.test.utils import isolate_apps

from jobs.erasure import anonymise, erase, step, subject
from tests.support.erase_maps import (
    APP,
    key,
    model,
    order_of,
    preview_of,
    run_map,
    tables_of,
    text,
    told_of,
    visit,
)
from tests.support.execution import ANA, BEN, write_as_another_process
from tests.support.factories import make_project
from tests.support.hostapp.models import Upload
from tests.support.uploads import USER, on_disk, pending, upload

pytestmark = pytest.mark.django_db(transaction=True)


def test_files_of_erased_rows_are_removed_and_counted_and_those_of_others_stay(media: Path):
    for number in range(3):
        upload(ANA, f"a{number}", f"c{number}")
    upload(ANA)  # names no file
    upload(BEN, "b", "d")

    told = told_of(run_map(USER, project=make_project()))

    assert on_disk(media) == ["b", "d"]
    assert told == [
        ("Upload", "erased", 4, 4, 0),
        ("Upload.file", "removed", 3, 3, 0),
        ("Upload.cover", "removed", 3, 3, 0),
    ]
    assert not pending()


def test_only_the_files_of_columns_that_a_map_sets_are_removed_when_rows_are_anonymised(media: Path):
    upload(ANA, "a", "cover")
    upload(ANA)  # names no file
    told = subject("user", anonymise(Upload, by="owner", across_projects=True, owner="", file=""))

    job = run_map(told, project=make_project())

    assert on_disk(media) == ["cover"]
    assert told_of(job) == [("Upload", "anonymised", 2, 2, 0), ("Upload.file", "removed", 1, 1, 0)]
    assert sorted(Upload.objects.values_list("owner", "file")) == [("", ""), ("", "")]


def test_a_file_that_another_row_has_in_a_column_of_the_same_storage_stays(media: Path):
    for name in ("shared", "crossed", "alone"):
        upload(ANA, name)
    Upload.objects.create(owner=BEN, file="shared")
    Upload.objects.create(owner=BEN, cover="crossed")

    job = run_map(USER, project=make_project())

    assert on_disk(media) == ["crossed", "shared"]
    assert told_of(job)[1] == ("Upload.file", "removed", 1, 1, 0)
    assert not pending()


@isolate_apps(APP)
def test_a_file_that_a_row_of_another_model_has_stays(media: Path):
    Draft = model("Draft", owner=text(), file=models.FileField())
    Article = model("Article", picture=models.FileField())

    with tables_of(Draft, Article):
        for name in ("published", "draft"):
            (media / name).write_text("x")
            Draft.objects.create(owner=ANA, file=name)
        Article.objects.create(picture="published")
        job = run_map(subject("user", erase(Draft, by="owner", across_projects=True)), project=make_project())

    assert on_disk(media) == ["published"]
    assert told_of(job)[1] == ("Draft.file", "removed", 1, 1, 0)


def test_a_file_that_two_rows_of_the_person_share_is_removed_once(media: Path):
    upload(ANA, "shared")
    Upload.objects.create(owner=ANA, file="shared")

    job = run_map(USER, project=make_project())

    assert on_disk(media) == []
    assert told_of(job)[1] == ("Upload.file", "removed", 1, 1, 0)


@isolate_apps(APP)
def test_a_name_in_another_storage_is_another_file():
    memory, other = InMemoryStorage(), InMemoryStorage(base_url="/other/")
    made = {"file": models.FileField(storage=memory), "cover": models.FileField(storage=other, null=True)}
    Letter = model("Letter", owner=text(), **made)
    told = subject("user", erase(Letter, by="owner", across_projects=True))

    with tables_of(Letter):
        upload(ANA, "same", made=Letter)
        upload(BEN, "mine", "same", made=Letter)
        run_map(told, project=make_project())

    assert (memory.exists("same"), memory.exists("mine"), other.exists("same")) == (False, True, True)


@isolate_apps(APP)
def test_a_file_of_a_row_that_came_late_and_could_go_by_a_cascade_is_removed(media: Path):
    Visit = model("Visit", owner=text())
    Scan = model("Scan", visit=key(Visit), file=models.FileField())
    called = []

    def late(job: Any) -> None:
        if not called:
            called.append(job)
            write_as_another_process(job, lambda: add(Visit.objects.get(owner=ANA), "late"))

    def add(row: Any, name: str) -> None:
        (media / name).write_text("x")
        Scan.objects.create(visit=row, file=name)

    told = subject("user", erase(Scan), step(late), erase(Visit, by="owner", across_projects=True))
    with tables_of(Visit, Scan):
        for owner in (ANA, BEN):
            add(Visit.objects.create(owner=owner), owner)
        job = run_map(told, project=make_project())

    assert on_disk(media) == [BEN]
    assert told_of(job)[-1] == ("Scan.file", "removed", 2, 2, 0)


@isolate_apps(APP)
def test_files_in_the_other_table_of_a_row_go_if_that_part_goes(media: Path):
    Person = model("Person", email=text(), file=models.FileField())
    Customer = model("Customer", Person, number=text(), cover=models.FileField())
    whole = subject("user", erase(Customer, by="number", across_projects=True))
    part = subject("user", anonymise(Person, by="email", across_projects=True, email=""), erase(Customer))
    project = make_project()

    with tables_of(Person, Customer):
        for number in ("1", "2"):
            for name in ("f", "c"):
                (media / f"{name}{number}").write_text("x")
            Customer.objects.create(email=number, number=number, file=f"f{number}", cover=f"c{number}")
        told = told_of(run_map(part, project=project, reference="1"))
        after_part = on_disk(media)
        run_map(whole, project=project, reference="2")
        after_whole = on_disk(media)

    assert after_part == ["c2", "f1", "f2"]
    assert told[2:] == [("Customer.cover", "removed", 1, 1, 0)]
    assert after_whole == ["f1"]


@isolate_apps(APP)
def test_files_are_removed_after_all_rows_and_before_the_last_functions_and_a_preview_does_not_count_them():
    Visit = visit(file=models.FileField())
    told = subject("user", erase(Visit, by="user_id"), step(lambda job: None, store="last"))

    with tables_of(Visit):
        found = preview_of(told, project=make_project())

    assert order_of(told) == [("Visit", "erased"), ("Visit.file", "removed"), ("last", "called")]
    assert [(store.what.value, store.rows) for store in found.stores][1] == ("removed", None)
