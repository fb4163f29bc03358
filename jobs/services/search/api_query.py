"""What a client of the API asks of the list of jobs: filters, order, and where a page begins."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

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

    @property
    def direction(self) -> str:
        """The direction in SQL."""
        return "DESC" if self.descending else "ASC"

    @property
    def names(self) -> tuple[str, ...]:
        """The arguments of ``order_by``."""
        return tuple(f"-{key}" if self.descending else key for key in self.keys)


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

    def conditions(self) -> Q:
        """Return all filters as one condition."""
        lookups = {
            "status__in": None if self.statuses is None else sorted(self.statuses),
            "action": self.action,
            "reference_id": self.reference_id,
            "created_at__gte": self.created_from,
            "created_at__lt": self.created_to,
            "start_at__gte": self.start_from,
            "start_at__lt": self.start_to,
        }
        return Q(**{lookup: value for lookup, value in lookups.items() if value is not None})
