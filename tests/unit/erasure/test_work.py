"""``manage.py check`` reads each model of a map a few times, however many there are."""

import sys
from random import Random
from typing import Any

import pytest
from django.db import models
from django.test.utils import isolate_apps

from jobs.erasure import anonymise, erase, subject
from jobs.erasure.planning import plan_of
from jobs.erasure.suspects import suspects_of
from tests.support.erase_maps import APP, key, model, text, to_project

pytestmark = pytest.mark.uses_database


def calls_of(count: int, declare: Any) -> int:
    """Return how many calls of Python functions the checks of a map of so many models take, for each model."""
    random, calls = Random(1), [0]
    with isolate_apps(APP):
        made = [model("M0", project=to_project(), user_id=text())]
        for number in range(1, count):
            rules = [models.CASCADE, models.SET_NULL]
            parents = enumerate(random.sample(made, min(number, 3)))
            keys = {f"key{place}": key(to, random.choice(rules), null=True) for place, to in parents}
            made.append(model(f"M{number}", note=text(), **keys))
        told = subject("user", erase(made[0], by="user_id"), *(entry for each in made[1:] for entry in declare(each)))

        def count_call(frame: object, event: str, argument: object) -> None:
            calls[0] += event == "call"

        before = sys.getprofile()
        sys.setprofile(count_call)
        try:
            list(suspects_of(plan_of(told)))
        finally:
            sys.setprofile(before)
    return calls[0] // count


def keys_of(made: Any) -> list[str]:
    return [field.name for field in made._meta.fields if field.is_relation]


@pytest.mark.parametrize(
    "declare",
    [
        lambda made: [erase(made, via=keys_of(made))],
        lambda made: [anonymise(made, via=keys_of(made), note="", values=dict.fromkeys(keys_of(made)))],
        lambda made: [],
    ],
    ids=["erased", "anonymised", "not declared"],
)
def test_the_work_for_each_model_does_not_grow_with_their_number(declare: Any):
    few, many = calls_of(100, declare), calls_of(300, declare)

    assert many < few * 1.5
    assert many < 1_000
