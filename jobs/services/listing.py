"""Find jobs of a project: by what, in which order, from where on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Model, Q

from ..models import Job, JobQuerySet
from ..status import Status

# No table has as many rows, and LIMIT + OFFSET stays within the database's bigint.
FARTHEST_OFFSET: Final = 2**62


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


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some jobs in the order asked for, and whether there are more behind them."""

    jobs: Sequence[Job]
    has_more: bool


def list_page(
    search: JobSearch,
    *,
    project: Model,
    limit: int,
    offset: int = 0,
    after: Place | None = None,
    columns: Sequence[str] = (),
) -> Page:
    """Read a page of the project's jobs, in one query; in none if it lies where no table reaches.

    With ``after`` it starts behind that place, whatever was inserted or deleted meanwhile;
    else ``offset`` jobs are left out, which takes the longer the more they are. Only
    ``columns`` are loaded, if there are any; the others when they are asked for.
    """
    if offset > FARTHEST_OFFSET:
        return Page(jobs=[], has_more=False)
    jobs = list(find_jobs(search, project=project, limit=limit + 1, offset=offset, after=after).only(*columns))
    return Page(jobs=jobs[:limit], has_more=len(jobs) > limit)


def find_jobs(
    search: JobSearch, *, project: Model, limit: int, offset: int = 0, after: Place | None = None
) -> JobQuerySet:
    """Return the query of :func:`list_page`."""
    jobs = Job.objects.in_project(project).filter(search.conditions())
    if after is not None:
        jobs = jobs.filter(_behind(after, search.order))
    return jobs.order_by(*search.order.names)[offset : offset + limit]


def _behind(place: Place, order: JobOrder) -> Q:
    further = "lt" if order.descending else "gt"
    by_id = Q(**{f"id__{further}": place.job_id})
    if not order.by_start:
        return by_id
    return Q(**{f"start_at__{further}": place.start_at}) | (Q(start_at=place.start_at) & by_id)
