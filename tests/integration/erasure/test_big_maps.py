"""Maps of many models, in chains and with keys to all models above, are counted and run in a time that stays short."""

import time
from typing import Any

import pytest
from django.db import models
from django.test.utils import isolate_apps

from jobs.erasure import anonymise, erase, subject
from jobs.erasure.planning import plan_of
from jobs.erasure.rows import PersonRows
from jobs.execution import chunks, context
from tests.support.concurrency import statements
from tests.support.erase_maps import APP, counts_of, key, model, preview_of, run_map, tables_of, text, told_of, visit
from tests.support.execution import ANA
from tests.support.factories import make_project

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

# The longest chain and the most models with keys to all above; on PostgreSQL, 9 of these took minutes before.
LONGEST, MOST = 16, 11


@isolate_apps(APP)
@pytest.mark.parametrize("rule", [models.CASCADE, models.SET_NULL, "anonymise"])
def test_a_chain_of_models_is_counted_and_erased(rule: Any):
    made: list[Any] = [visit()]
    stays = rule == "anonymise"
    for number in range(1, LONGEST):
        made.append(model(f"C{number}", above=key(made[-1], models.SET_NULL if stays else rule), note=text()))
    below = [anonymise(each, via="above", note="gone") if stays else erase(each, via="above") for each in made[1:]]
    told = subject("user", erase(made[0], by="user_id"), *below)
    mine = make_project()
    with tables_of(*made):
        row = made[0].objects.create(project=mine, user_id=ANA)
        for each in made[1:]:
            row = each.objects.create(above=row)
        preview = counts_of(preview_of(told, project=mine))
        job = run_map(told, project=mine)

    assert preview == {name: found for name, _, found, _, _ in told_of(job)}
    assert {done for _, _, _, done, _ in told_of(job)} == {1}


@isolate_apps(APP)
@pytest.mark.parametrize("stays", [False, True])
def test_models_with_keys_to_all_models_above_are_counted_and_erased(stays: bool):
    made: list[Any] = [visit()]
    rule = models.SET_NULL if stays else models.CASCADE
    for number in range(1, MOST):
        keys = {f"k{above}": key(each, rule, null=True) for above, each in enumerate(made)}
        made.append(model(f"D{number}", **keys, note=text()))
    ways = [tuple(f"k{above}" for above in range(number)) for number in range(MOST)]
    below = [
        anonymise(each, via=via, note="gone") if stays else erase(each)
        for each, via in zip(made[1:], ways[1:], strict=True)
    ]
    told = subject("user", erase(made[0], by="user_id"), *below)
    mine = make_project()
    with tables_of(*made):
        row = [made[0].objects.create(project=mine, user_id=ANA)]
        for each in made[1:]:
            row.append(each.objects.create(**{f"k{number}": above for number, above in enumerate(row)}))
        preview = counts_of(preview_of(told, project=mine))
        with statements() as said:
            begun = time.process_time()
            job = run_map(told, project=mine)
            took = time.process_time() - begun
        rows = PersonRows(plan=plan_of(told), project=mine, reference=ANA).of(made[-1])

    assert preview == {name: found for name, _, found, _, _ in told_of(job)}
    assert {done for _, _, _, done, _ in told_of(job)} == {1}
    # Each table once, and each key once: no way is written for each path.
    assert len(str(rows.query)) < 400 * MOST * MOST
    assert took < 30, len(said)


@isolate_apps(APP)
def test_the_rows_of_a_person_are_searched_for_as_often_whatever_the_number_of_chunks(monkeypatch: Any):
    """Such a search reads all of the person's rows: made in each chunk, the time would grow with their square."""
    monkeypatch.setattr(chunks, "FIRST_BATCH", 10)
    monkeypatch.setattr(context, "BIGGEST_SET", 10)
    root = visit()
    document = model("Document", owner=key(root), editor=key(root))
    note = model("Note", document=key(document), author=key(root))
    answer = model("Answer", author=key(root), parent=key("self", null=True))
    told = subject("user", erase(root, by="user_id"), erase(document), erase(note), erase(answer))
    mine, searches, updates = make_project(), [], []
    with tables_of(root, document, note, answer):
        for size in (20, 100):
            roots = [root.objects.create(project=mine, user_id=ANA) for _ in range(size)]
            for each, other in zip(roots, reversed(roots), strict=True):
                above = answer.objects.create(author=other)
                answer.objects.create(author=each, parent=above)
                note.objects.create(document=document.objects.create(owner=each, editor=other), author=other)
            with statements() as executed:
                run_map(told, project=mine)
            # Of the person's rows by their keys, a statement has a condition for these besides.
            searches.append(len([sql for sql in executed if ANA in sql and "rows of node" in sql]))
            updates.append(len([sql for sql in executed if sql.startswith("DELETE")]))
        left = [each.objects.count() for each in (root, document, note, answer)]

    assert left == [0, 0, 0, 0]
    assert updates[1] > 3 * updates[0], "there were more chunks"
    assert searches[1] == searches[0], searches
