"""Constants that no row can take, or by which others would be found, are errors of the map; so is a wrong root."""
# ruff: noqa: N806 – models are classes

from typing import Any

import pytest
from django.db import models
from django.db.models.functions import Now
from django.test.utils import isolate_apps

from jobs import get_project_model
from jobs.erasure import anonymise, erase, keep, subject
from tests.support.erase_maps import APP, faults_of, key, model, text, to_project, visit


def member(**members: Any) -> Any:
    return visit(
        count=models.SmallIntegerField(default=0),
        code=models.CharField(max_length=3, default=""),
        price=models.DecimalField(max_digits=4, decimal_places=2, null=True),
        born=models.DateField(null=True),
        mail=models.EmailField(default=""),
        data=models.JSONField(null=True),
        friend=key("self", models.SET_NULL),
        **members,
    )


@isolate_apps(APP)
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("count", None),
        ("count", "many"),
        ("count", 2**70),
        ("code", "long"),
        ("price", "100.00"),
        ("price", "1.001"),
        ("born", "yesterday"),
        ("born", Now()),
        ("friend", "nobody"),
        ("id", 7),
        ("data", {1, 2}),
    ],
)
def test_a_constant_that_no_row_can_take_is_an_error(column: str, value: Any):
    assert faults_of(subject("user", anonymise(member(), by="user_id", values={column: value}))) == ["DECLARATION"]


@isolate_apps(APP)
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("count", -1),
        ("code", ""),
        ("code", "xyz"),
        ("price", "10.00"),
        ("price", None),
        ("born", "1900-01-01"),
        ("mail", "erased"),
        ("data", {"a": [1, None]}),
        ("friend", None),
        ("friend_id", None),
        ("user_id", ""),
    ],
)
def test_a_constant_that_rows_can_take_is_none(column: str, value: Any):
    assert faults_of(subject("user", anonymise(member(), by="user_id", values={column: value}))) == []


@isolate_apps(APP)
def test_a_constant_where_the_reference_stands_that_may_be_a_reference_is_an_error():
    Account = model("Account", project=to_project(), email=text())
    Log = model("Log", account=key(Account, models.SET_NULL))
    log = erase(Log, by="account__email", project="account__project")

    for value, faults in (("gone", ["DECLARATION"]), ("", [])):
        assert faults_of(subject("user", anonymise(Account, by="email", email=value), log)) == faults


@isolate_apps(APP)
def test_a_constant_in_a_column_that_rows_which_stay_refer_to_is_an_error():
    Account = model("Account", project=to_project(), email=models.CharField(max_length=100, unique=True, null=True))
    Log = model("Log", who=key(Account, models.SET_NULL, to_field="email"))
    root = anonymise(Account, by="email", email=None)

    assert faults_of(subject("user", root, keep(Log, because="law"))) == ["IMPOSSIBLE"]
    assert faults_of(subject("user", root, erase(Log))) == []


@isolate_apps(APP)
@pytest.mark.parametrize("by", ["profile", "groups", "orders", "born", "price", "raw"])
def test_a_root_whose_reference_stands_in_no_text_number_or_uuid_is_an_error(by: str):
    User = visit(
        born=models.DateTimeField(null=True), price=models.FloatField(null=True), raw=models.JSONField(null=True)
    )
    model("Profile", user=models.OneToOneField(User, models.CASCADE, related_name="profile"))
    model("Order", user=key(User, related_name="orders"))
    model("Group", users=models.ManyToManyField(User, related_name="groups"))

    assert "DECLARATION" in faults_of(subject("user", erase(User, by=by)))


@isolate_apps(APP)
def test_a_root_of_several_projects_is_an_error():
    User = model("User", user_id=text(), projects=models.ManyToManyField(get_project_model(), related_name="+"))

    assert "DECLARATION" in faults_of(subject("user", erase(User, by="user_id", project="projects")))
