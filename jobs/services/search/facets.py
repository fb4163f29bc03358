"""Counts how many jobs each choice of a filter in the admin would show, up to a bound."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from django.db.models import Count

from .planner import index_scans_only
from .staff_filter import JobFilter
from .staff_search import choose_scan

MOST_COUNTED: Final = 10_000
SAMPLE: Final = 10_000

Choices = Mapping[Any, Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Facet:
    """A number of jobs; ``at_least``: there may be more."""

    count: int
    at_least: bool


@index_scans_only()
def count_choices(groups: Mapping[str, tuple[JobFilter, Choices]]) -> dict[tuple[str, Any], Facet]:
    """Count what each choice would show, combined with all other filters.

    Args:
        groups: by the name of a filter, all other filters, and for each of its choices the fields of
            :class:`JobFilter` that it sets.

    A choice that one index answers takes one count of that index. All others with the same other filters take
    one count of the newest ``SAMPLE`` jobs of those, which is a lower bound.
    """
    facets: dict[tuple[str, Any], Facet] = {}
    sampled: dict[JobFilter, list[tuple[str, Any, JobFilter]]] = {}
    for name, (other_filters, choices) in groups.items():
        for choice, fields in choices.items():
            wanted = replace(other_filters, **fields)
            scan = choose_scan(wanted)
            if scan is None:
                facets[name, choice] = Facet(count=0, at_least=False)
            elif scan.residual(wanted):
                sampled.setdefault(other_filters, []).append((name, choice, wanted))
            else:
                seen = scan.ordered()[: MOST_COUNTED + 1].count()
                facets[name, choice] = Facet(count=min(seen, MOST_COUNTED), at_least=seen > MOST_COUNTED)
    for other_filters, choices_of in sampled.items():
        facets |= _sample(other_filters, choices_of)
    return facets


def _sample(other_filters: JobFilter, choices: list[tuple[str, Any, JobFilter]]) -> dict[tuple[str, Any], Facet]:
    scan = choose_scan(other_filters)
    if scan is None:
        return {(name, choice): Facet(count=0, at_least=False) for name, choice, _ in choices}
    counts = {f"n{number}": Count("pk", filter=scan.residual(wanted)) for number, (_, _, wanted) in enumerate(choices)}
    found = scan.ordered()[:SAMPLE].aggregate(all=Count("pk"), **counts)
    more = found["all"] == SAMPLE
    return {
        (name, choice): Facet(count=found[f"n{number}"], at_least=more)
        for number, (name, choice, _) in enumerate(choices)
    }
