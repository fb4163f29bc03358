"""The SQL of a page of the API's list, found on PostgreSQL by scanning one index, however many jobs there are.

The ids come first, which the index alone can answer, then their rows; of a first page without a filter, both at once.
Which index is scanned:

* without a filter, far from the first page: none; block counts are used, see ``api_deep_pages``;
* without a filter, by a status or a reference: the index of that;
* by an action: the index by action and group of 4,096 ids, group after group, each of which is sorted;
* by several statuses, and all by start: the index by status, once for each; their first rows are sorted;
* by a time, ordered by id: the index by block of 16,384 ids and time, block after block.
  ``created_at`` need not increase with ``id``, so every block has to be searched;
* by other filters: the index of the first filter that matches at most ``NARROW`` jobs, all of which
  are sorted; if no filter is that selective, one of the scans above, and the other filters on its rows.

``planner`` says how each is written. Other databases get one plain query, and find their way by themselves.
"""

# ruff: noqa: S608 – the text is made of constants; whatever callers send is a parameter

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model

from ...db.connection import jobs_connection, supports_row_locks
from ...models import BLOCK_BITS, GROUP_BITS
from ...status import Status
from . import api_deep_pages
from .api_query import ListQuery, Position
from .planner import JOBS, Limits, Sql, beyond, index_scan, joined, ordering, pinned, prepared, union

NARROW: Final = {"status": 20_000, "action": 20_000, "created_at": 100_000}
"""The most jobs to read and sort, in a fraction of a second; jobs created together are stored together."""

BLOCK: Final = f"id >> {BLOCK_BITS}"
GROUP: Final = f"id >> {GROUP_BITS}"


def page_sql(
    query: ListQuery, *, project: Model, limits: Limits, columns: Sequence[str], after: Position | None = None
) -> Sql:
    """Return the query of a page, behind the position ``after`` if there is one."""
    scans = _Scans(query=query, key=project.pk, after=after, connection=jobs_connection())
    if not supports_row_locks(scans.connection):
        return scans.plain(limits, of=", ".join(columns))
    if scans.is_whole and not limits.offset:
        return scans.whole(limits, of=", ".join(columns))  # all that the scan meets is shown
    ids = scans.page(limits)
    by = ordering(query.order.keys, descending=query.order.descending)
    return Sql(f"SELECT {', '.join(columns)} FROM {JOBS} WHERE id IN ({ids.text}) ORDER BY {by}", ids.values)


@dataclass(kw_only=True)
class _Scans:
    """Chooses the scan for a query, and writes its SQL."""

    query: ListQuery
    key: object
    after: Position | None
    connection: BaseDatabaseWrapper

    @property
    def is_whole(self) -> bool:
        """Whether the list has all jobs, by id."""
        return not (self._filters or self.query.order.by_start)

    def whole(self, limits: Limits, *, of: str = "id") -> Sql:
        """Return the query of a page of all jobs by id."""
        return self._scan(
            [pinned("project_id", self.key, self.connection), *self._rest()], ("project_id", "id"), limits, of=of
        )

    def page(self, limits: Limits) -> Sql:
        """Return the query of the ids of a page, in no order."""
        order, names = self.query.order, self._filters.keys()
        if self.is_whole and not self.after and limits.offset >= api_deep_pages.DEEP_OFFSET:
            return api_deep_pages.deep_page(self._project.values[0], limits, descending=order.descending)
        if order.by_start and "reference_id" in names:
            return self._sorted(Sql("TRUE"), limits)
        sparse = [
            name for name in (("action", "created_at") if order.by_start else ("status", "action")) if name in names
        ]
        # One filter has an index in this order, and few jobs have the same reference.
        is_indexed = not order.by_start and (len(names) == 1 or "reference_id" in names)
        return self._widest(limits) if is_indexed or not sparse else self._narrowest(sparse, limits)

    def plain(self, limits: Limits, *, of: str = "id") -> Sql:
        """Return the query that any database can answer in some way."""
        return self._scan([self._project, *self._rest()], self.query.order.keys, limits, of=of)

    @cached_property
    def _filters(self) -> dict[str, Sql]:
        """The filters by column; the first one whose index has the order is the one to scan."""
        query = self.query
        found = {}
        if query.reference_id is not None:
            found["reference_id"] = Sql("reference_id = %s", (query.reference_id,))
        times = {"created_at": (query.created_from, query.created_to), "start_at": (query.start_from, query.start_to)}
        for column, (since, until) in times.items():
            bounds = [
                beyond((column,), operator, (instant,), self.connection)
                for operator, instant in ((">=", since), ("<", until))
                if instant is not None
            ]
            if bounds:
                found[column] = joined(" AND ", bounds)
        if query.statuses is not None and query.statuses != frozenset(Status):
            marks = ", ".join(["%s"] * len(query.statuses))
            found["status"] = Sql(f"status IN ({marks})", tuple(sorted(query.statuses)))
        if query.action is not None:
            found["action"] = Sql("action = %s", (query.action,))
        return found

    @cached_property
    def _project(self) -> Sql:
        return Sql("project_id = %s", (prepared("project_id", self.key, self.connection),))

    @property
    def _further(self) -> str:
        return "<" if self.query.order.descending else ">"

    def _rest(self, but: str = "") -> list[Sql]:
        """Return the filters but that of one column, and the condition that a job is behind ``after``."""
        rest = [condition for name, condition in self._filters.items() if name != but]
        if self.after is not None:
            position = {"start_at": self.after.start_at, "id": self.after.job_id}
            keys = self.query.order.keys
            rest.append(beyond(keys, self._further, [position[key] for key in keys], self.connection))
        return rest

    def _widest(self, limits: Limits) -> Sql:
        """Scan in the order of the page, and leave out what the other filters exclude."""
        if self.is_whole:
            return self.whole(limits)
        name = "status" if self.query.order.by_start else next(iter(self._filters))
        return self._by(name, self._rest(but=name), limits)

    def _by(self, column: str, rest: list[Sql], limits: Limits) -> Sql:
        """Scan the jobs that match the filter of one column, by id; of statuses, in the order of the page."""
        if column in ("created_at", "start_at"):
            return self._through_blocks([self._filters[column], *rest], limits)
        keys = self.query.order.keys if column == "status" else ("id",)
        order: tuple[str, ...] = ("project_id", column, *keys)
        if column == "reference_id":
            order = (column, "project_id", *keys)
        elif column == "action":
            order = ("project_id", column, GROUP, *keys)
            if self.after is not None and not self.query.order.by_start:
                rest = [Sql(f"{GROUP} {self._further}= %s", (self.after.job_id >> GROUP_BITS,)), *rest]
        values = self._filters[column].values if column in self._filters else sorted(Status)
        each = [[self._project, pinned(column, value, self.connection), *rest] for value in values]
        if len(each) == 1:
            return self._scan(each[0], order, limits)
        first = union(self._scan(one, order, Limits(limits.end), of=", ".join(keys)) for one in each)
        by = ordering(keys, descending=self.query.order.descending)
        return Sql(f"SELECT id FROM ({first.text}) scan ORDER BY {by} LIMIT %s OFFSET %s", (*first.values, *limits))

    def _through_blocks(self, conditions: list[Sql], limits: Limits) -> Sql:
        """Scan block after block of ids, and the matching jobs in each.

        The outer join can only be a loop over the blocks, which come in order, and so do the ids.
        """
        start = [self._project]
        if self.after is not None and not self.query.order.by_start:
            start.append(Sql(f"{BLOCK} {self._further}= %s", (self.after.job_id >> BLOCK_BITS,)))
        first = self._scan(start, (BLOCK,), Limits(1), of=BLOCK)
        behind = Sql(f"{BLOCK} {self._further} block.number")
        following = self._scan([self._project, behind], (BLOCK,), Limits(1), of=BLOCK)
        within = [self._project, Sql(f"{BLOCK} = block.number"), *conditions]
        jobs = self._scan(within, ("id + 0",), Limits(limits.end))
        text = f"""
            WITH RECURSIVE block (number) AS (
                ({first.text}) UNION ALL SELECT ({following.text}) FROM block WHERE number IS NOT NULL
            )
            SELECT job.id FROM block CROSS JOIN LATERAL ({jobs.text}) job LIMIT %s OFFSET %s
        """
        return Sql(text, (*first.values, *following.values, *jobs.values, *limits))

    def _narrowest(self, columns: Sequence[str], limits: Limits) -> Sql:
        """Sort the jobs of the first filter that has few; if none has, run the widest scan. Only one of them is run."""
        few = [self._by(column, [], Limits(NARROW[column] + 1)) for column in columns]
        given = [Sql(f"few_{number} AS MATERIALIZED ({each.text})", each.values) for number, each in enumerate(few)]
        guards, branches = "TRUE", []
        for number, column in enumerate(columns):
            many = f"EXISTS (SELECT FROM few_{number} OFFSET {NARROW[column]})"
            among = Sql(f"id IN (SELECT id FROM few_{number}) AND {guards} AND NOT {many}")
            branches.append(self._sorted(among, limits))
            guards = f"{guards} AND {many}"
        widest = self._widest(limits)
        branches.append(Sql(f"SELECT id FROM ({widest.text}) scan WHERE {guards}", widest.values))
        return joined(" ", [Sql("WITH"), joined(", ", given), union(branches)])

    def _sorted(self, among: Sql, limits: Limits) -> Sql:
        """Sort all matching jobs; no index has this order, so none can be scanned for it."""
        order = ("start_at + interval '0'", "id") if self.query.order.by_start else ("id + 0",)
        return self._scan([among, self._project, *self._rest()], order, limits)

    def _scan(self, conditions: Sequence[Sql], order: Sequence[str], limits: Limits, *, of: str = "id") -> Sql:
        return index_scan(conditions, order, limits, descending=self.query.order.descending, of=of)
