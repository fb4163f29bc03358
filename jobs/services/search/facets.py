"""How many jobs each choice of a filter would show: at most so many are counted, and at most so many looked at."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from django.db.models import Count, Q

from .planner import index_walks
from .staff_filter import JobFilter
from .staff_search import walk_for

MOST_COUNTED: Final = 10_000
SAMPLE: Final = 10_000

Choices = Mapping[Any, Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Facet:
    """So many jobs, or at least so many."""

    count: int
    at_least: bool


def count_choices(groups: Mapping[str, tuple[JobFilter, Choices]]) -> dict[tuple[str, Any], Facet]:
    """Count what each choice would show beside the rest of the filter.

    Args:
        groups: by the name of a filter, all that is asked beside it, and for each of its choices the fields of
            :class:`JobFilter` that it sets.

    A choice that one index answers takes one count of that index. All others that are asked beside the same rest
    take one look at its newest ``SAMPLE`` jobs: there are at least as many as are found in it.
    """
    with index_walks():
        return _count_choices(groups)


def _count_choices(groups: Mapping[str, tuple[JobFilter, Choices]]) -> dict[tuple[str, Any], Facet]:
    facets: dict[tuple[str, Any], Facet] = {}
    sampled: dict[JobFilter, list[tuple[str, Any, JobFilter]]] = {}
    for name, (rest, choices) in groups.items():
        for choice, fields in choices.items():
            wanted = replace(rest, **fields)
            walk = walk_for(wanted)
            if walk is None:
                facets[name, choice] = Facet(count=0, at_least=False)
            elif walk.residual(wanted):
                sampled.setdefault(rest, []).append((name, choice, wanted))
            else:
                seen = walk.ordered()[: MOST_COUNTED + 1].count()
                facets[name, choice] = Facet(count=min(seen, MOST_COUNTED), at_least=seen > MOST_COUNTED)
    for rest, wanted_of in sampled.items():
        facets |= _sample(rest, wanted_of)
    return facets


def _sample(rest: JobFilter, choices: list[tuple[str, Any, JobFilter]]) -> dict[tuple[str, Any], Facet]:
    walk = walk_for(rest)
    if walk is None:
        return {(name, choice): Facet(count=0, at_least=False) for name, choice, _ in choices}
    counts = {f"n{number}": _count(walk.residual(wanted)) for number, (_, _, wanted) in enumerate(choices)}
    found = walk.ordered()[:SAMPLE].aggregate(all=Count("pk"), **counts)
    more = found["all"] == SAMPLE
    return {
        (name, choice): Facet(count=found[f"n{number}"], at_least=more)
        for number, (name, choice, _) in enumerate(choices)
    }


def _count(condition: Q) -> Count:
    return Count("pk", filter=condition)
