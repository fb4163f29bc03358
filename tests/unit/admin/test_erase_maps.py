"""What staff read of erase maps: the page of the maps, and receipts in the order and the words of the map."""
# ruff: noqa: N806 – models are classes

from typing import Any, Final

import pytest
from django.db import models
from django.test import Client
from django.test.utils import isolate_apps

from jobs.erasure import anonymise, erase, keep, step, subject
from jobs.erasure.subjects import EraseHandler
from jobs.status import Status
from tests.support.admin_client import page_of, queries_of, text_of, url, with_permissions
from tests.support.erase_maps import APP, key, model, text, visit
from tests.support.execution import registered_action
from tests.support.factories import make_job, make_project

STAFF_MAY: Final = ("view_job", "view_reference", "add_job")

SCRIPT: Final = "<script>alert(1)</script>"
PLAN: Final = "cad2ad97b16225a14b4e7dd803751014"
STORES: Final = {
    "shop.User": {"found": 1, "done": 1, "left": 0, "what": "erased", "place": 3},
    "shop.Tax": {"found": 7, "done": 0, "left": None, "what": "kept", "because": "Ten years", "place": 1},
    "index": {"found": None, "done": 1, "left": None, "what": "called", "place": 0},
    "shop.Tax.user": {"found": 7, "done": 7, "left": 0, "what": "setNull", "place": 2},
}


def forget(job: Any) -> None:
    """Stand for a function of a host."""


def test_a_receipt_is_in_the_order_and_the_words_of_the_map(client: Client):
    html = page_of(client, make_job(status=Status.COMPLETED, receipt={"stores": STORES, "plan": PLAN}))

    lines = html[html.index("<tbody>", html.index("jobs-receipt")) :]
    order = [lines.index(f"<bdi>{name}</bdi>") for name in ("index", "shop.Tax", "shop.Tax.user", "shop.User")]
    assert order == sorted(order)
    for words in ("function called", 'kept</span>: <bdi class="jobs-text">Ten years</bdi>', "unlinked", "erased"):
        assert words in lines
    assert "What was done" in html
    assert PLAN in html


@pytest.mark.parametrize("is_changed", [True, False])
def test_a_run_under_another_plan_says_so(client: Client, is_changed: bool):
    receipt = {"stores": STORES, "plan": PLAN, "created_under": "0" * 32, "plan_changed": is_changed}

    html = page_of(client, make_job(status=Status.COMPLETED, receipt=receipt))

    assert ("The erase map had changed" in html) is is_changed


def test_a_job_that_found_nothing_says_so_in_its_first_sentence_and_above_its_receipt(client: Client):
    receipt = {"stores": STORES, "plan": PLAN, "found_nothing": True, "verified_at": "2025-01-01T12:34:56+00:00"}

    html = page_of(client, make_job(status=Status.COMPLETED, receipt=receipt))

    assert "but nothing was found for its reference." in html
    assert html.index("Nothing was found for this reference.") < html.index("jobs-receipt")


def test_a_receipt_without_a_map_and_one_of_unknown_words_are_shown(client: Client):
    plain = page_of(client, make_job(status=Status.COMPLETED, receipt={"stores": {"a": {"found": 1, "done": 1}}}))
    odd = {"stores": {"a": {"found": 1, "done": 1, "left": 0, "what": SCRIPT, "because": SCRIPT}}, "plan": SCRIPT}

    html = page_of(client, make_job(status=Status.COMPLETED, receipt=odd))

    assert "What was done" not in plain
    assert "<script>alert" not in html


def test_the_reason_in_a_receipt_is_masked_as_all_texts_of_actions():
    stores = {"a": {"found": 1, "done": 0, "left": None, "what": "kept", "because": "As ana@example.com asked"}}
    job = make_job(status=Status.COMPLETED, reference_id="ana@example.com", receipt={"stores": stores, "plan": PLAN})

    assert "ana@" not in page_of(with_permissions("view_job"), job)


def maps_page(client: Client) -> str:
    response = client.get(url("job_erasure"))
    assert response.status_code == 200
    return text_of(response)


def test_the_maps_are_shown_with_their_actions_and_linked_from_the_list(client: Client):
    html = maps_page(client)

    for told in ("delete_user_data", "jobsite.Session", "where user_id is the reference", "jobsite.SessionEvent"):
        assert told in html
    assert "found by session" in html
    assert f'href="{url("job_erasure")}"' in text_of(client.get(url("job_changelist")))
    assert len(queries_of(client, url("job_erasure"))) <= 4


@isolate_apps(APP)
def test_a_map_is_shown_as_a_tree_with_what_happens_to_each_model_and_its_order(client: Client):
    Visit = visit()
    Click = model("Click", visit=key(Visit, models.SET_NULL), name=text())
    Bill = model("Bill", visit=key(Visit, models.SET_NULL))
    told = subject(
        "visitor",
        step(forget),
        anonymise(Click, name=""),
        keep(Bill, because=f"Law {SCRIPT}"),
        erase(Visit, by="user_id"),
    )

    with registered_action(EraseHandler(told)):
        html = maps_page(client)

    tree = html[html.index(">visitor<") :]
    for words in ("anonymised", "(<bdi>name</bdi>)", "unlinked", "function called", "Law &lt;script&gt;"):
        assert words in tree
    assert tree.index("hostapp.Visit") < tree.index("hostapp.Click") < tree.index("In this order")
    assert tree.count('<ul class="jobs-tree">') == 2
    assert "<script>alert" not in html


@isolate_apps(APP)
def test_a_map_with_errors_says_which_and_no_job_can_be_asked_for(client: Client):
    Visit = visit()
    model("Click", visit=key(Visit))

    with registered_action(EraseHandler(subject("visitor", erase(Visit, by="user_id")))) as name:
        html = maps_page(client)
        asked = {"project": make_project().pk, "action": name, "reference_id": "x", "start_at_0": "", "start_at_1": ""}
        shown = text_of(client.post(url("job_add"), asked))

    assert "does not say what happens to hostapp.Click" in html
    assert "not declared" in html
    assert "Such a job would fail: its erase map has errors." in shown
    assert "Ask for the job" not in shown
