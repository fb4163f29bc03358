"""The hints of ``manage.py check``: lines to paste, the nearest models first, and only what can work."""
# ruff: noqa: N806 – models are classes

from typing import Any

import pytest
from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.test.utils import isolate_apps

from jobs.erasure import anonymise, erase, keep, subject
from jobs.erasure.planning import plan_of
from jobs.erasure.suspects import suspects_of
from tests.support.erase_maps import APP, faults_of, key, model, text, visit

pytestmark = pytest.mark.uses_database


def left_out(*entries: Any) -> list[tuple[str, str]]:
    """Return the models that a map leaves out, in the order in which they are told, and the hint for each."""
    problems = plan_of(subject("user", *entries)).problems
    return [(each.text.split("hostapp.")[1].split(",")[0], each.cure) for each in problems]


@isolate_apps(APP)
def test_models_are_told_by_their_distance_from_the_root():
    Visit = visit()
    Far = model("Far", click=key("hostapp.Click"))
    model("Further", far=key(Far))
    model("Click", visit=key(Visit))
    model("Near", visit=key(Visit))

    assert [name for name, _ in left_out(erase(Visit, by="user_id"))] == ["Click", "Near", "Far", "Further"]


@isolate_apps(APP)
@pytest.mark.parametrize(
    ("made", "hint"),
    [
        (lambda to: {"visit": key(to)}, 'erase("hostapp.Click"),'),
        (lambda to: {"visit": key(to, models.PROTECT)}, 'erase("hostapp.Click"),'),
        (
            lambda to: {"visit": key(to, null=True)},
            'erase("hostapp.Click"), – or anonymise("hostapp.Click", visit=None),',
        ),
        (
            lambda to: {"visit": key(to, models.SET_NULL)},
            'erase("hostapp.Click"), – or anonymise("hostapp.Click", …=…), – or keep("hostapp.Click", because="…"),',
        ),
        (
            lambda to: {"owner": key(to, models.SET_NULL), "editor": key(to, models.SET_NULL)},
            'erase("hostapp.Click", via=("owner", "editor")), – or anonymise("hostapp.Click", via=("owner", "editor"), '
            '…=…), – or keep("hostapp.Click", because="…"),',
        ),
    ],
)
def test_only_what_can_work_is_offered_and_works(made: Any, hint: str):
    Visit = visit()
    members = made(Visit)
    Click = model("Click", note=text(), **members)

    ((_, told),) = left_out(erase(Visit, by="user_id"))

    assert told == f"Add to it: {hint}"
    for line in hint.replace("…=…", "note=''").replace('"hostapp.Click"', "Click").split(" – or "):
        names = {"erase": erase, "anonymise": anonymise, "keep": keep, "Click": Click}
        entry = eval(line.rstrip(","), names)
        assert faults_of(subject("user", erase(Visit, by="user_id"), entry)) == []


@isolate_apps(APP)
def test_the_hint_says_how_many_further_lines_a_model_that_is_kept_saves():
    Visit = visit()
    Click = model("Click", visit=key(Visit, models.SET_NULL))
    Target = model("Target", click=key(Click))
    model("Place", target=key(Target))
    model("Both", click=key(Click), visit=key(Visit))
    root = erase(Visit, by="user_id")

    hints = dict(left_out(root))

    assert hints["Click"].endswith("which also settles 2 of the models below it")
    assert [name for name, _ in left_out(root, keep(Click, because="law"))] == ["Both"]
    assert "settles" not in hints["Both"] + hints["Place"]


@isolate_apps(APP)
@pytest.mark.parametrize(
    ("column", "is_suspect"),
    [
        ("billing_email", True),
        ("created_by", True),
        ("username", True),
        ("customer_id", True),
        ("email_count", False),
        ("sorted_by", False),
        ("session_id", False),
    ],
)
def test_columns_that_usually_hold_a_person_are_suspects_where_they_are_of_the_roots_kind(
    column: str, is_suspect: bool
):
    Visit = visit()
    model("Log", **{column: text()})
    model("Count", **{column: models.IntegerField()})
    model("Mine", session_id=text())
    root = erase(Visit, by="user_id")

    def suspects(**options: Any) -> list[str]:
        return [cure for _, cure in suspects_of(plan_of(subject("user", root, **options)))]

    expected = f'Add to it: erase("hostapp.Log", by="{column}"), – or keep("hostapp.Log", because="…"),'
    assert suspects() == ([expected] if is_suspect else [])
    assert len(suspects(suspects=["sess*_id"])) == (2 if column == "session_id" else 1)


@isolate_apps(APP)
def test_primary_keys_are_no_suspects_though_the_root_is_found_by_its_own():
    Visit = visit()
    model("Log", name=text())

    assert list(suspects_of(plan_of(subject("user", erase(Visit, by="id"))))) == []


@isolate_apps(APP)
def test_rows_that_refer_to_kept_ones_by_a_generic_key_are_told():
    Note = model("Note", content_type=key(ContentType), object_id=models.BigIntegerField(), about=GenericForeignKey())
    Visit = visit()
    Bill = model("Bill", visit=key(Visit, models.SET_NULL), notes=GenericRelation(Note))
    told = subject("user", erase(Visit, by="user_id"), keep(Bill, because="law"))

    ((text_of, cure),) = suspects_of(plan_of(told))

    assert "refer by a generic key to those of hostapp.Bill, which are kept" in text_of
    assert 'keep("hostapp.Note", because="…")' in cure
