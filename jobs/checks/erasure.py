"""Checks of the erase maps of the host's actions: models that a map leaves out, and what cannot work."""

from typing import Any

from django.core.checks import CheckMessage, Error, Warning, register

from ..erasure.plan import Fault, Problem
from ..erasure.planning import plan_of
from ..erasure.subjects import Subject, mapped_actions
from ..erasure.suspects import suspects_of


@register("jobs")
def check_maps(**_: Any) -> list[CheckMessage]:
    """Refuse an erase map that does not fit the models (``jobs.E030``)."""
    return [Error(each.text, hint=each.cure, id="jobs.E030") for each in _problems(Fault.DECLARATION)]


@register("jobs")
def check_nothing_is_left_out(**_: Any) -> list[CheckMessage]:
    """Refuse an erase map that does not say what happens to a model that it reaches (``jobs.E031``)."""
    return [Error(each.text, hint=each.cure, id="jobs.E031") for each in _problems(Fault.LEFT_OUT)]


@register("jobs")
def check_rows_can_stay(**_: Any) -> list[CheckMessage]:
    """Refuse an erase map by which rows stay that must go with erased ones (``jobs.E032``)."""
    return [Error(each.text, hint=each.cure, id="jobs.E032") for each in _problems(Fault.IMPOSSIBLE)]


@register("jobs")
def check_maps_have_an_order(**_: Any) -> list[CheckMessage]:
    """Refuse an erase map whose rows lead to each other in a circle (``jobs.E033``)."""
    return [Error(each.text, hint=each.cure, id="jobs.E033") for each in _problems(Fault.CYCLE)]


@register("jobs")
def check_maps_stay_in_a_project(**_: Any) -> list[CheckMessage]:
    """Refuse an erase map that would find rows of other projects (``jobs.E034``)."""
    return [Error(each.text, hint=each.cure, id="jobs.E034") for each in _problems(Fault.NO_PROJECT)]


@register("jobs")
def check_suspects(**_: Any) -> list[CheckMessage]:
    """Warn of models that an erase map does not know and that may have rows of its persons (``jobs.W030``)."""
    found = [suspect for subject in _maps() for suspect in suspects_of(plan_of(subject))]
    return [Warning(text, hint=cure, id="jobs.W030") for text, cure in found]


def _problems(fault: Fault) -> list[Problem]:
    return [each for subject in _maps() for each in plan_of(subject).problems if each.fault is fault]


def _maps() -> list[Subject]:
    return list(dict.fromkeys(mapped_actions().values()))
