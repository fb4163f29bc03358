"""What may be asked of a list of jobs, in which order, and from where on."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from ...status import Status


@dataclass(frozen=True, kw_only=True)
class JobOrder:
    """By id, which is the order of creation, or by start; jobs that start at one instant by id."""

    by_start: bool = False
    descending: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """The arguments of ``order_by``."""
        sign = "-" if self.descending else ""
        return (f"{sign}start_at", f"{sign}id") if self.by_start else (f"{sign}id",)


@dataclass(frozen=True, kw_only=True)
class Place:
    """The place of a job in an order; it stays one when the job is gone. ``start_at`` is set in an order by start."""

    job_id: int
    start_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class JobSearch:
    """Which jobs, in which order; None asks for nothing. Instants are aware, each first one included, the last not."""

    statuses: frozenset[Status] | None = None
    action: str | None = None
    reference_id: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    start_from: datetime | None = None
    start_to: datetime | None = None
    order: JobOrder = JobOrder()

    def conditions(self) -> Q:
        """Return all that is asked of a job."""
        wanted = {
            "status__in": None if self.statuses is None else sorted(self.statuses),
            "action": self.action,
            "reference_id": self.reference_id,
            "created_at__gte": self.created_from,
            "created_at__lt": self.created_to,
            "start_at__gte": self.start_from,
            "start_at__lt": self.start_to,
        }
        return Q(**{lookup: value for lookup, value in wanted.items() if value is not None})
