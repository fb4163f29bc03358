"""Pages of a project's jobs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.db import connections
from django.db.models import Model, Q

from ...models import Job, JobQuerySet
from .api_query import JobOrder, JobSearch, Place
from .api_sql import Cut, find_ids

# No table has as many rows, and LIMIT + OFFSET stays within the database's bigint.
FARTHEST_OFFSET: Final = 2**62


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
    """Return the query of :func:`list_page`.

    Where the database has what :mod:`walks` needs, the ids are found first, then their
    rows; elsewhere it is for the planner to do its best.
    """
    order = search.order
    jobs = Job.objects.all()
    connection = connections[jobs.db]
    if connection.features.supports_slicing_ordering_in_compound:
        cut = Cut(limit=limit, offset=offset)
        ids = find_ids(search, connection=connection, project=project, cut=cut, after=after)
        return jobs.filter(pk__in=ids).order_by(*order.names)
    jobs = jobs.in_project(project).filter(search.conditions())
    if after is not None:
        jobs = jobs.filter(_behind(after, order))
    return jobs.order_by(*order.names)[offset : offset + limit]


def _behind(place: Place, order: JobOrder) -> Q:
    further = "lt" if order.descending else "gt"
    by_id = Q(**{f"id__{further}": place.job_id})
    if not order.by_start:
        return by_id
    return Q(**{f"start_at__{further}": place.start_at}) | (Q(start_at=place.start_at) & by_id)
