"""Pages of the API's list of a project's jobs."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.db.models import Model, Q

from ...db.clock import read_instants_in_c
from ...db.connection import jobs_connection
from ...models import Job
from .api_query import ListOrder, ListQuery, Position
from .api_sql import JOBS, Limits, page_ids
from .limits import limited_search

# No table has as many rows, and LIMIT + OFFSET stays within the database's bigint.
FARTHEST_OFFSET: Final = 2**62
# Up to here all jobs are skipped in a moment; a limit would cost each request a round trip.
NEAR_OFFSET: Final = 10_000


class JobRow(NamedTuple):
    """The columns of a job that the list shows; a model instance for each row takes longer to make than to read."""

    # In the model's order, as ``from_db`` takes them.
    id: int
    action: str
    reference_id: str
    description: str
    status: str
    errors: str | None
    created_at: datetime
    updated_at: datetime | None
    start_at: datetime

    def to_job(self) -> Job:
        """Return it as a job whose other columns are loaded on first use."""
        return Job.from_db(jobs_connection().alias, self._fields, self)


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some jobs in the order of the query, and whether more follow."""

    jobs: Sequence[JobRow]
    has_more: bool


def list_page(query: ListQuery, *, project: Model, limit: int, offset: int = 0, after: Position | None = None) -> Page:
    """Read a page of the project's jobs, in one query; in none if ``offset`` is beyond any table.

    With ``after`` the page starts behind that position, whatever was inserted or deleted meanwhile;
    otherwise ``offset`` jobs are skipped, which takes longer the more they are.

    Raises:
        TooSlow: with a filter or a far page, it would take more than ``LIST_SECONDS``.
    """
    if offset > FARTHEST_OFFSET:
        return Page(jobs=[], has_more=False)
    limits = Limits(limit=limit + 1, offset=offset)
    with _limited(query, offset) if is_search(query, offset=offset) else nullcontext():
        rows = _read(query, project=project, limits=limits, after=after)
    return Page(jobs=[*map(JobRow._make, rows[:limit])], has_more=len(rows) > limit)


def is_search(query: ListQuery, *, offset: int = 0) -> bool:
    """Whether a page may take long: any but one near the beginning of the whole list, or by cursor."""
    return offset > NEAR_OFFSET or bool(query.conditions())


def _limited(query: ListQuery, offset: int) -> AbstractContextManager[None]:
    far = "pages by number get slower the farther they are; follow 'cursor' instead"
    return limited_search(far if offset > NEAR_OFFSET else "narrow the filters")


def _read(query: ListQuery, *, project: Model, limits: Limits, after: Position | None) -> list[Any]:
    """Return the rows of a page; where there is no index to be chosen, the planner is left to find its way."""
    connection = jobs_connection()
    if connection.features.supports_slicing_ordering_in_compound:
        with connection.cursor() as cursor:
            read_instants_in_c(cursor)
            cursor.execute(*page_sql(query, project=project, limits=limits, after=after))
            return list(cursor.fetchall())
    jobs = Job.objects.in_project(project).filter(query.conditions()).order_by(*query.order.names)
    if after is not None:
        jobs = jobs.filter(_behind(after, query.order))
    return list(jobs.values_list(*JobRow._fields)[limits.offset : limits.end])


def page_sql(query: ListQuery, *, project: Model, limits: Limits, after: Position | None = None) -> tuple[str, Any]:
    """Return the query of a page on PostgreSQL: the ids first, as :mod:`.api_sql` explains, then their rows."""
    ids = page_ids(query, connection=jobs_connection(), project=project, limits=limits, after=after)
    order = ", ".join(f"{key} {query.order.direction}" for key in query.order.keys)
    columns = ", ".join(JobRow._fields)
    text = f"SELECT {columns} FROM {JOBS} WHERE id IN ({ids.text}) ORDER BY {order}"  # noqa: S608 – all are constants
    return text, ids.values


def _behind(position: Position, order: ListOrder) -> Q:
    further = "lt" if order.descending else "gt"
    by_id = Q(**{f"id__{further}": position.job_id})
    if not order.by_start:
        return by_id
    return Q(**{f"start_at__{further}": position.start_at}) | (Q(start_at=position.start_at) & by_id)
