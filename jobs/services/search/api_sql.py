"""The ids of a page of the API's list, found on PostgreSQL by scanning one index, however many jobs there are.

Each scan has an order that only its index has (``planner`` says why), and selects ids, which the
index alone can answer. Which index is scanned:

* without a filter, far from the first page: none; block counts are used, see ``api_deep_pages``;
* without a filter, by a status or a reference: the index of that;
* by an action: the index by action and group of 4,096 ids, group after group, each of which is sorted;
* by several statuses, and all by start: the index by status, once for each; their first rows are sorted;
* by a time, ordered by id: the index by block of 16,384 ids and time, block after block.
  ``created_at`` need not increase with ``id``, so every block has to be searched;
* by other filters: the index of the first filter that matches at most ``NARROW`` jobs, all of which
  are sorted; if no filter is that selective, one of the scans above, and the other filters on its rows.
"""

# ruff: noqa: S608 – the text is made of constants; whatever callers send is a parameter

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model

from ...models import BLOCK_BITS, GROUP_BITS, Job
from ...status import Status
from . import api_deep_pages
from .api_query import ListQuery, Position

NARROW: Final = {"status": 20_000, "action": 20_000, "created_at": 100_000}
"""The most jobs to read and sort, in a fraction of a second; jobs created together are stored together."""

JOBS: Final = Job._meta.db_table
BLOCK: Final = f"id >> {BLOCK_BITS}"
GROUP: Final = f"id >> {GROUP_BITS}"


@dataclass(frozen=True)
class Sql:
    """A piece of SQL, and the values for each ``%s`` in it."""

    text: str
    values: tuple[Any, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Limits:
    """LIMIT and OFFSET of a query."""

    limit: int
    offset: int = 0

    @property
    def end(self) -> int:
        """How many rows are read, with those skipped."""
        return self.limit + self.offset


def page_ids(
    query: ListQuery, *, connection: BaseDatabaseWrapper, project: Model, limits: Limits, after: Position | None = None
) -> Sql:
    """Return the subquery of the ids of a page, in no order."""
    key = Job._meta.get_field("project").get_db_prep_value(project.pk, connection)
    return _PageIds(query=query, project=key, after=after).select(limits)


@dataclass(frozen=True, kw_only=True)
class _PageIds:
    """Chooses the scan for a query, and writes its SQL."""

    query: ListQuery
    project: Any
    after: Position | None

    def select(self, limits: Limits) -> Sql:
        """Return the query of the ids of a page."""
        order, names = self.query.order, self._filters.keys()
        if not (names or order.by_start or self.after) and limits.offset >= api_deep_pages.DEEP_OFFSET:
            size, offset = limits.limit, limits.offset
            return Sql(
                *api_deep_pages.deep_page_ids(self.project, descending=order.descending, limit=size, offset=offset)
            )
        if order.by_start and "reference_id" in names:
            return self._sorted(Sql("TRUE"), limits)
        sparse = [
            name for name in (("action", "created_at") if order.by_start else ("status", "action")) if name in names
        ]
        # One filter has an index in this order, and few jobs have the same reference.
        is_indexed = not order.by_start and (len(names) == 1 or "reference_id" in names)
        return self._widest(limits) if is_indexed or not sparse else self._narrowest(sparse, limits)

    @cached_property
    def _filters(self) -> dict[str, Sql]:
        """The filters by column; the first one whose index has the order is the one to scan."""
        query = self.query
        found = {}
        if query.reference_id is not None:
            found["reference_id"] = Sql("reference_id = %s", (query.reference_id,))
        if bounds := [*_bounds("created_at", query.created_from, query.created_to)]:
            found["created_at"] = _all(bounds)
        if bounds := [*_bounds("start_at", query.start_from, query.start_to)]:
            found["start_at"] = _all(bounds)
        if query.statuses is not None and query.statuses != frozenset(Status):
            found["status"] = Sql("status = ANY(%s)", (sorted(query.statuses),))
        if query.action is not None:
            found["action"] = Sql("action = %s", (query.action,))
        return found

    @property
    def _of_project(self) -> Sql:
        return Sql("project_id = %s", (self.project,))

    @property
    def _further(self) -> str:
        return "<" if self.query.order.descending else ">"

    def _rest(self, but: str = "") -> list[Sql]:
        """Return the filters but that of one column, and the condition that a job is behind ``after``."""
        rest = [condition for name, condition in self._filters.items() if name != but]
        if self.after is None:
            return rest
        if self.query.order.by_start:
            position = (self.after.start_at, self.after.job_id)
            return [*rest, Sql(f"(start_at, id) {self._further} (%s, %s)", position)]
        return [*rest, Sql(f"id {self._further} %s", (self.after.job_id,))]

    def _widest(self, limits: Limits) -> Sql:
        """Scan in the order of the page, and leave out what the other filters exclude."""
        if self.query.order.by_start:
            return self._by_statuses(self._rest(but="status"), limits)
        name = next(iter(self._filters), "project_id")
        return self._by(name, self._rest(but=name), limits)

    def _by(self, name: str, rest: list[Sql], limits: Limits) -> Sql:
        """Scan the jobs that match the filter of one column."""
        if name in ("created_at", "start_at"):
            return self._through_blocks([self._filters[name], *rest], limits)
        if name == "status":
            return self._by_statuses(rest, limits)
        value = {"reference_id": self.query.reference_id, "action": self.query.action, "project_id": self.project}
        return self._by_value(name, value[name], rest, limits)

    def _by_value(self, column: str, value: Any, rest: list[Sql], limits: Limits) -> Sql:
        """Scan one value of a column, by id.

        With ``=`` the planner would know that the column is constant, drop it from the order, and be free to scan
        another index. The index by reference begins with it: an array bounds the scan by the project as well.
        """
        if column == "reference_id":
            is_value = Sql("reference_id = ANY(ARRAY[%s])", (value,))
            return self._ordered([self._of_project, is_value, *rest], ("reference_id", "project_id", "id"), limits)
        is_value = Sql(f"{column} >= %s AND {column} <= %s", (value, value))
        if column == "project_id":
            return self._ordered([is_value, *rest], ("project_id", "id"), limits)
        if column == "action":
            begin = (
                [] if self.after is None else [Sql(f"{GROUP} {self._further}= %s", (self.after.job_id >> GROUP_BITS,))]
            )
            return self._ordered(
                [self._of_project, is_value, *begin, *rest], ("project_id", "action", GROUP, "id"), limits
            )
        return self._ordered([self._of_project, is_value, *rest], ("project_id", column, "id"), limits)

    def _by_statuses(self, rest: list[Sql], limits: Limits) -> Sql:
        """Scan each status, and sort the first rows of all."""
        whole, statuses = Limits(limit=limits.end), Status if self.query.statuses is None else self.query.statuses
        scans = _union([self._in_status(status, rest, whole) for status in sorted(statuses)])
        keys = ", ".join(f"{key} {self.query.order.direction}" for key in self.query.order.keys)
        text = f"SELECT id FROM ({scans.text}) scan ORDER BY {keys} LIMIT %s OFFSET %s"
        return Sql(text, (*scans.values, limits.limit, limits.offset))

    def _in_status(self, status: Status, rest: list[Sql], limits: Limits) -> Sql:
        """Scan one status, by id or start.

        A filter by start must bound the scan, which takes ``=``: with a comparison of rows the planner finds where to
        begin, but not where to end.
        """
        bounded = self.query.order.by_start and "start_at" in self._filters
        is_value = Sql("status = %s", (status,)) if bounded else Sql("status >= %s AND status <= %s", (status, status))
        conditions = [self._of_project, is_value, *rest]
        return self._ordered(
            conditions, ("project_id", "status", *self.query.order.keys), limits, of=", ".join(self.query.order.keys)
        )

    def _through_blocks(self, conditions: list[Sql], limits: Limits) -> Sql:
        """Scan block after block of ids, and the matching jobs in each.

        The outer join can only be a loop over the blocks, which come in order, and so do the ids.
        """
        start = [self._of_project]
        if self.after is not None and not self.query.order.by_start:
            start.append(Sql(f"{BLOCK} {self._further}= %s", (self.after.job_id >> BLOCK_BITS,)))
        one = Limits(limit=1)
        first = self._ordered(start, (BLOCK,), one, of=BLOCK)
        behind = Sql(f"{BLOCK} {self._further} block.number")
        following = self._ordered([self._of_project, behind], (BLOCK,), one, of=BLOCK)
        within = [self._of_project, Sql(f"{BLOCK} = block.number"), *conditions]
        jobs = self._ordered(within, ("id + 0",), Limits(limit=limits.end))
        text = f"""
            WITH RECURSIVE block (number) AS (
                ({first.text}) UNION ALL SELECT ({following.text}) FROM block WHERE number IS NOT NULL
            )
            SELECT job.id FROM block CROSS JOIN LATERAL ({jobs.text}) job LIMIT %s OFFSET %s
        """
        return Sql(text, (*first.values, *following.values, *jobs.values, limits.limit, limits.offset))

    def _narrowest(self, names: Sequence[str], limits: Limits) -> Sql:
        """Sort the jobs of the first filter that has few; if none has, run the widest scan. Only one of them is run."""
        few = [self._by(name, [], Limits(limit=NARROW[name] + 1)) for name in names]
        given = ", ".join(f"few_{number} AS MATERIALIZED ({each.text})" for number, each in enumerate(few))
        guards, branches = "TRUE", []
        for number, name in enumerate(names):
            many = f"EXISTS (SELECT FROM few_{number} OFFSET {NARROW[name]})"
            branches.append(
                self._sorted(Sql(f"id IN (SELECT id FROM few_{number}) AND {guards} AND NOT {many}"), limits)
            )
            guards = f"{guards} AND {many}"
        widest = self._widest(limits)
        branches.append(Sql(f"SELECT id FROM ({widest.text}) scan WHERE {guards}", widest.values))
        union = _union(branches)
        return Sql(f"WITH {given} {union.text}", (*(value for each in few for value in each.values), *union.values))

    def _sorted(self, among: Sql, limits: Limits) -> Sql:
        """Sort all matching jobs; no index has this order, so none can be scanned for it."""
        order = ("start_at + interval '0'", "id") if self.query.order.by_start else ("id + 0",)
        return self._ordered([among, self._of_project, *self._rest()], order, limits)

    def _ordered(self, conditions: list[Sql], order: tuple[str, ...], limits: Limits, *, of: str = "id") -> Sql:
        where = _all(conditions)
        by = ", ".join(f"{expression} {self.query.order.direction}" for expression in order)
        text = f"SELECT {of} FROM {JOBS} WHERE {where.text} ORDER BY {by} LIMIT %s OFFSET %s"
        return Sql(text, (*where.values, limits.limit, limits.offset))


def _bounds(column: str, since: datetime | None, until: datetime | None) -> Iterator[Sql]:
    if since is not None:
        yield Sql(f"{column} >= %s", (since,))
    if until is not None:
        yield Sql(f"{column} < %s", (until,))


def _all(conditions: Iterable[Sql]) -> Sql:
    return _joined(" AND ", conditions)


def _union(queries: Iterable[Sql]) -> Sql:
    return _joined(" UNION ALL ", [Sql(f"({query.text})", query.values) for query in queries])


def _joined(word: str, parts: Iterable[Sql]) -> Sql:
    parts = list(parts)
    return Sql(word.join(part.text for part in parts), tuple(value for part in parts for value in part.values))
