"""Pages of the API's list of a project's jobs."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.db.models import Model

from ...db.clock import read_instants_in_c
from ...db.connection import jobs_connection
from ...models import Job
from .api_query import ListQuery, Position
from .api_sql import page_sql
from .limits import limited_search
from .planner import Limits

# No table has as many rows, and LIMIT + OFFSET stays within the database's bigint.
FARTHEST_OFFSET: Final = 2**62
# Up to here all jobs are skipped in a moment; a limit would cost each request a round trip.
NEAR_OFFSET: Final = 10_000
INSTANTS: Final = 3
FOLLOW_THE_CURSOR: Final = "pages by number get slower the farther they are; follow 'cursor' instead"


class JobRow(NamedTuple):
    """The columns of a job that the list shows; a model instance for each row takes longer to make than to read."""

    # In the model's order, as ``from_db`` takes them; the last ``INSTANTS`` are instants.
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
    """Read a page of the project's jobs, in one query; in none if no job can match, or ``offset`` is beyond any table.

    With ``after`` the page starts behind that position, whatever was inserted or deleted meanwhile;
    otherwise ``offset`` jobs are skipped, which takes longer the more they are.

    Raises:
        TooSlow: with a filter or a far page, it would take more than ``LIST_SECONDS``.
    """
    if query.nothing or offset > FARTHEST_OFFSET:
        return Page(jobs=[], has_more=False)
    limits = Limits(limit=limit + 1, offset=offset)
    cure = FOLLOW_THE_CURSOR if offset > NEAR_OFFSET else "narrow the filters"
    with limited_search(cure) if is_search(query, offset=offset) else nullcontext():
        rows = _read(query, project=project, limits=limits, after=after)
    return Page(jobs=[*map(JobRow._make, rows[:limit])], has_more=len(rows) > limit)


def is_search(query: ListQuery, *, offset: int = 0) -> bool:
    """Whether a page may take long: any but one near the beginning of the whole list, or by cursor."""
    return offset > NEAR_OFFSET or query.is_filtered


def _read(query: ListQuery, *, project: Model, limits: Limits, after: Position | None) -> list[Any]:
    connection = jobs_connection()
    with connection.cursor() as cursor:
        read_instants_in_c(cursor)
        cursor.execute(*page_sql(query, project=project, limits=limits, columns=JobRow._fields, after=after))
        rows = list(cursor.fetchall())
    # SQLite's driver returns instants without a zone.
    convert = getattr(connection.ops, "convert_datetimefield_value", None)
    if convert is None:
        return rows
    return [(*row[:-INSTANTS], *(convert(at, None, connection) for at in row[-INSTANTS:])) for row in rows]
