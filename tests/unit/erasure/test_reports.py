"""What people read of a map: the checks, the tree and the picture of ``showerasure``, and the receipt of the API."""
# ruff: noqa: N806 – models are classes

from typing import Final

import pytest
from django.core.management import CommandError
from django.db import models
from django.test.utils import isolate_apps

from jobs.erasure import Subject, anonymise, erase, keep, step, subject
from jobs.erasure.drawing import picture_of, tree_of
from jobs.erasure.planning import plan_of
from jobs.erasure.subjects import EraseHandler
from jobs.models import Job
from tests.support.api_client import Api
from tests.support.checks import messages_of
from tests.support.commands import run
from tests.support.erase_maps import APP, key, model, text, to_project, visit
from tests.support.execution import registered_action
from tests.support.factories import make_job

IDS: Final = (*(f"jobs.E{number:03}" for number in range(30, 35)), "jobs.W030")


def maps_by_id() -> dict[str, Subject]:
    """Return, by the id of the check that reports it, a map with this one fault."""
    Visit, Bare = visit(), model("Bare", user_id=text())
    Click = model("Click", visit=key(Visit))
    Lead = model("Lead", project=to_project(), user_id=text(), member=key("hostapp.Member", null=True))
    Member = model("Member", lead=key(Lead))
    root, kept = erase(Visit, by="user_id"), [keep(each, because="ours") for each in (Bare, Lead)]
    return {
        "jobs.E030": subject("user", root, erase(Click), erase(Member), *kept),
        "jobs.E031": subject("user", root, *kept),
        "jobs.E032": subject("user", root, keep(Click, because="law"), *kept),
        "jobs.E033": subject(
            "user", erase(Lead, by="user_id"), erase(Member), *(keep(each, because="ours") for each in (Bare, Visit))
        ),
        "jobs.E034": subject(
            "user", erase(Bare, by="user_id"), *(keep(each, because="ours") for each in (Lead, Visit))
        ),
        "jobs.W030": subject("user", root, erase(Click)),
    }


@isolate_apps(APP)
@pytest.mark.parametrize("check_id", IDS)
def test_each_fault_of_a_map_is_reported_by_its_own_check_with_a_cure(check_id: str):
    told = maps_by_id()[check_id]

    with registered_action(EraseHandler(told)):
        found = {each: messages_of(each) for each in IDS}

    assert {each for each, messages in found.items() if messages} == {check_id}
    assert all(message.hint for message in found[check_id])


@isolate_apps(APP)
def test_the_tree_has_each_model_below_the_one_that_leads_to_it_and_the_order_what_is_done():
    Visit = visit()
    Click = model("Click", visit=key(Visit, models.SET_NULL), name=text())
    Bill = model("Bill", visit=key(Visit, models.SET_NULL))
    told = subject("user", erase(Visit, by="user_id"), anonymise(Click, name=""), keep(Bill, because="law"), step(run))
    model("Target", click=key(Click))

    tree, picture = tree_of(plan_of(told)), picture_of(plan_of(told))

    assert tree.splitlines()[2:] == [
        "  hostapp.Visit: erased where user_id is the reference",
        "    hostapp.Click: anonymised, by visit",
        "      hostapp.Target: NOT DECLARED, by click",
        "    hostapp.Bill: kept, by visit",
        "",
        "In this order:",
        "  1. hostapp.Click: anonymised (name)",
        "  2. hostapp.Bill: kept (law)",
        "  3. hostapp.Click.visit: set to NULL",
        "  4. hostapp.Bill.visit: set to NULL",
        "  5. hostapp.Visit: erased",
        "  6. run: a function of the host's",
    ]
    assert '"hostapp.Visit" -> "hostapp.Click" [label="visit"];' in picture
    assert picture.count("{") == picture.count("}")


def test_the_command_prints_the_map_of_the_site_and_names_the_maps_there_are():
    printed = run("showerasure")

    assert "jobsite.Session: erased where user_id is the reference" in printed
    assert "  1. events: erased\n  2. sessions: erased" in printed
    assert run("showerasure", "--action", "delete_user_data") == printed
    assert run("showerasure", "--dot").startswith("digraph user {")
    with pytest.raises(CommandError, match="delete_user_data"):
        run("showerasure", "--action", "touch")


@pytest.mark.django_db
def test_the_api_tells_the_receipt_of_a_map_in_its_order_and_any_other_as_before(api: Api):
    counts = {"found": 1, "done": 1, "left": 0}
    by_map = {
        "stores": {
            "b": {**counts, "place": 1, "what": "kept", "because": "law"},
            "more": counts,
            "aa": {**counts, "place": 0, "what": "erased"},
        },
        "plan": "0123",
        "found_nothing": False,
    }
    jobs = [make_job(project=api.project), make_job(project=api.project)]
    Job.objects.filter(pk=jobs[0].pk).update(receipt=by_map)
    Job.objects.filter(pk=jobs[1].pk).update(receipt={"stores": {"aa": counts}})

    first, second = (api.get(f"/jobs/{job.pk}?include=receipt").json()["data"]["receipt"] for job in jobs)

    assert list(first["stores"].items()) == [
        ("aa", {**counts, "what": "erased"}),
        ("b", {**counts, "what": "kept", "because": "law"}),
        ("more", counts),
    ]
    assert (first["plan"], first["foundNothing"]) == ("0123", False)
    assert second == {"stores": {"aa": counts}, "verifiedAt": None}
