"""Pages of the API's list of a project's jobs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.db import connections
from django.db.models import Model, Q

from ...models import Job, JobQuerySet
from .api_query import ListOrder, ListQuery, Position
from .api_sql import Limits, page_ids

# No table has as many rows, and LIMIT + OFFSET stays within the database's bigint.
FARTHEST_OFFSET: Final = 2**62


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some jobs in the order of the query, and whether more follow."""

    jobs: Sequence[Job]
    has_more: bool


def list_page(
    query: ListQuery,
    *,
    project: Model,
    limit: int,
    offset: int = 0,
    after: Position | None = None,
    columns: Sequence[str] = (),
) -> Page:
    """Read a page of the project's jobs, in one query; in none if ``offset`` is beyond any table.

    With ``after`` the page starts behind that position, whatever was inserted or deleted meanwhile;
    otherwise ``offset`` jobs are skipped, which takes longer the more they are. Only
    ``columns`` are loaded, if any are given; the others on first use.
    """
    if offset > FARTHEST_OFFSET:
        return Page(jobs=[], has_more=False)
    jobs = list(page_queryset(query, project=project, limit=limit + 1, offset=offset, after=after).only(*columns))
    return Page(jobs=jobs[:limit], has_more=len(jobs) > limit)


def page_queryset(
    query: ListQuery, *, project: Model, limit: int, offset: int = 0, after: Position | None = None
) -> JobQuerySet:
    """Return the queryset of :func:`list_page`.

    On PostgreSQL the ids are found first, as :mod:`.api_sql` explains, then their rows;
    elsewhere the planner is left to find its way.
    """
    order = query.order
    jobs = Job.objects.all()
    connection = connections[jobs.db]
    if connection.features.supports_slicing_ordering_in_compound:
        limits = Limits(limit=limit, offset=offset)
        ids = page_ids(query, connection=connection, project=project, limits=limits, after=after)
        return jobs.filter(pk__in=ids).order_by(*order.names)
    jobs = jobs.in_project(project).filter(query.conditions())
    if after is not None:
        jobs = jobs.filter(_behind(after, order))
    return jobs.order_by(*order.names)[offset : offset + limit]


def _behind(position: Position, order: ListOrder) -> Q:
    further = "lt" if order.descending else "gt"
    by_id = Q(**{f"id__{further}": position.job_id})
    if not order.by_start:
        return by_id
    return Q(**{f"start_at__{further}": position.start_at}) | (Q(start_at=position.start_at) & by_id)
