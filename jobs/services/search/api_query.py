"""What a client of the API asks of the list of jobs: filters, order, and where a page begins."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

from ...status import Status


@dataclass(frozen=True, kw_only=True)
class ListOrder:
    """By id, which is the order of creation, or by start; jobs that start at one instant by id."""

    by_start: bool = False
    descending: bool = True

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns, all of them in the same direction."""
        return ("start_at", "id") if self.by_start else ("id",)


@dataclass(frozen=True, kw_only=True)
class Position:
    """A position in an order, given by a job, which need not exist any more; ``start_at`` is set in orders by start."""

    job_id: int
    start_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class ListQuery:
    """Filters and order; a filter that is None is off. Instants are aware; ``…_from`` is included, ``…_to`` is not."""

    statuses: frozenset[Status] | None = None
    action: str | None = None
    reference_id: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    start_from: datetime | None = None
    start_to: datetime | None = None
    order: ListOrder = ListOrder()
    # No job can match.
    nothing: bool = False

    def narrowed(self, **wanted: Any) -> Self:
        """Return the query of those jobs that match these filters as well; an order takes the place of the other."""
        values = {name: value for name, value in wanted.items() if value is not None}
        nothing = self.nothing
        for name, value in values.items():
            own = getattr(self, name)
            if own is None or name == "order":
                continue
            if name == "statuses":
                values[name] = own & value
                nothing |= not values[name]
            elif name in ("action", "reference_id"):
                nothing |= own != value
            else:
                values[name] = max(own, value) if name.endswith("_from") else min(own, value)
        return replace(self, nothing=nothing, **values)

    @property
    def is_filtered(self) -> bool:
        """Whether any filter is on."""
        return self != ListQuery(order=self.order)
