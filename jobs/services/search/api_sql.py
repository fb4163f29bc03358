"""The ids of a page, found on PostgreSQL through the index of what is asked for, however many jobs there are.

``ORDER BY id LIMIT 50`` lets the planner walk the primary key, as it takes matching rows to
be spread evenly; where they lie elsewhere it reads millions. So a walk here has an order
that its index alone can give, and asks for ids, which the index alone can answer:

* no filter, far from the first page: by the counts of blocks, see ``depths``;
* no filter, a status, an action, a reference, or all by start: so they lie in an index;
* several statuses: the first of each, sorted;
* a time, by id: block after block of 16,384 ids, each entered at that time. ``created_at``
  need not run with ``id``, so only asking every block finds all;
* anything else: the first filter with at most ``NARROW`` jobs, all of which are read and
  sorted; if there is none, one of these walks, leaving out what the other filters do not want.
"""

# ruff: noqa: S608, S611 – the text is made of constants; whatever callers send is a parameter

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model
from django.db.models.expressions import RawSQL

from ...models import BLOCK_BITS, Job
from ...status import Status
from . import api_deep_pages
from .api_query import JobSearch, Place

NARROW: Final = {"status": 20_000, "action": 20_000, "created_at": 100_000}
"""So many jobs are read and sorted in a small part of a second; those of one time lie side by side in the table."""

JOBS: Final = Job._meta.db_table
BLOCK: Final = f"id >> {BLOCK_BITS}"


@dataclass(frozen=True)
class Sql:
    """A piece of SQL, and the values for each ``%s`` in it."""

    text: str
    values: tuple[Any, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Cut:
    """So many rows after so many."""

    limit: int
    offset: int = 0

    @property
    def end(self) -> int:
        """How many rows there are up to its end."""
        return self.limit + self.offset


def find_ids(
    search: JobSearch, *, connection: BaseDatabaseWrapper, project: Model, cut: Cut, after: Place | None = None
) -> RawSQL:
    """Return the subquery of the ids of a page, in no order."""
    key = Job._meta.get_field("project").get_db_prep_value(project.pk, connection)
    found = _Walks(search=search, project=key, after=after).page(cut)
    return RawSQL(found.text, found.values)


@dataclass(frozen=True, kw_only=True)
class _Walks:
    """The walks from which the one is chosen that suits a search."""

    search: JobSearch
    project: Any
    after: Place | None

    def page(self, cut: Cut) -> Sql:
        """Return the query of the page."""
        by_start = self.search.order.by_start
        if not self._asked and not by_start and self.after is None and cut.offset >= api_deep_pages.FAR:
            descending = self.search.order.descending
            return Sql(
                *api_deep_pages.deep_ids(self.project, descending=descending, limit=cut.limit, offset=cut.offset)
            )
        if by_start and "reference_id" in self._asked:
            return self._sorted(Sql("TRUE"), cut)
        sparse = ("action", "created_at") if by_start else ("status", "action")
        tried = [name for name in sparse if name in self._asked]
        if not by_start and (len(self._asked) == 1 or "reference_id" in self._asked):  # few jobs have one reference
            tried = []
        return self._narrowest(tried, cut) if tried else self._widest(cut)

    @cached_property
    def _asked(self) -> dict[str, Sql]:
        """What is asked of each column; the first of them whose order serves is the one to walk by."""
        search = self.search
        found = {}
        if search.reference_id is not None:
            found["reference_id"] = Sql("reference_id = %s", (search.reference_id,))
        if bounds := [*_bounds("created_at", search.created_from, search.created_to)]:
            found["created_at"] = _all(bounds)
        if bounds := [*_bounds("start_at", search.start_from, search.start_to)]:
            found["start_at"] = _all(bounds)
        if search.statuses is not None and search.statuses != frozenset(Status):
            found["status"] = Sql("status = ANY(%s)", (sorted(search.statuses),))
        if search.action is not None:
            found["action"] = Sql("action = %s", (search.action,))
        return found

    @property
    def _of_project(self) -> Sql:
        return Sql("project_id = %s", (self.project,))

    @property
    def _way(self) -> str:
        return "DESC" if self.search.order.descending else "ASC"

    @property
    def _keys(self) -> tuple[str, ...]:
        return ("start_at", "id") if self.search.order.by_start else ("id",)

    @property
    def _further(self) -> str:
        return "<" if self.search.order.descending else ">"

    def _rest(self, besides: str = "") -> list[Sql]:
        """Return all that a job of the page must fulfil, but for what is asked of one column."""
        rest = [condition for name, condition in self._asked.items() if name != besides]
        if self.after is None:
            return rest
        if self.search.order.by_start:
            place = (self.after.start_at, self.after.job_id)
            return [*rest, Sql(f"(start_at, id) {self._further} (%s, %s)", place)]
        return [*rest, Sql(f"id {self._further} %s", (self.after.job_id,))]

    def _widest(self, cut: Cut) -> Sql:
        """Walk in the order asked for, and leave out what is not wanted."""
        if self.search.order.by_start:
            if "status" in self._asked:
                return self._by_statuses(self._rest(besides="status"), cut)
            return self._ordered([self._of_project, *self._rest()], self._keys, cut)
        name = next(iter(self._asked), "project_id")
        return self._by(name, self._rest(besides=name), cut)

    def _by(self, name: str, rest: list[Sql], cut: Cut) -> Sql:
        """Walk through the jobs with what is asked of one column."""
        if name in ("created_at", "start_at"):
            return self._through_blocks([self._asked[name], *rest], cut)
        if name == "status":
            return self._by_statuses(rest, cut)
        value = {"reference_id": self.search.reference_id, "action": self.search.action, "project_id": self.project}
        return self._pinned(name, value[name], rest, cut)

    def _pinned(self, column: str, value: Any, rest: list[Sql], cut: Cut) -> Sql:
        """Walk through one value of a column, by id.

        With ``=`` the planner would know the column to be constant, strike it out of
        the order, and be free to take another index.
        """
        pinned = Sql(f"{column} >= %s AND {column} <= %s", (value, value))
        if column == "project_id":
            return self._ordered([pinned, *rest], ("project_id", "id"), cut)
        return self._ordered([self._of_project, pinned, *rest], ("project_id", column, "id"), cut)

    def _by_statuses(self, rest: list[Sql], cut: Cut) -> Sql:
        """Walk through each status, and sort what comes first in any."""
        whole = Cut(limit=cut.end)
        walks = _union([self._in_status(status, rest, whole) for status in sorted(self.search.statuses or ())])
        keys = ", ".join(f"{key} {self._way}" for key in self._keys)
        text = f"SELECT id FROM ({walks.text}) walk ORDER BY {keys} LIMIT %s OFFSET %s"
        return Sql(text, (*walks.values, cut.limit, cut.offset))

    def _in_status(self, status: Status, rest: list[Sql], cut: Cut) -> Sql:
        """Walk through one status, by id or start.

        A start that is asked for must bound the walk, and only behind ``=`` it does: a
        comparison of rows finds where to begin, but not where to end.
        """
        bounded = self.search.order.by_start and "start_at" in self._asked
        pinned = Sql("status = %s", (status,)) if bounded else Sql("status >= %s AND status <= %s", (status, status))
        wanted = [self._of_project, pinned, *rest]
        return self._ordered(wanted, ("project_id", "status", *self._keys), cut, of=", ".join(self._keys))

    def _through_blocks(self, wanted: list[Sql], cut: Cut) -> Sql:
        """Walk from block to block of ids, and through what is wanted of each.

        The outer join can only be a loop over the blocks, which come in order: so do the ids.
        """
        start = [self._of_project]
        if self.after is not None and not self.search.order.by_start:
            start.append(Sql(f"{BLOCK} {self._further}= %s", (self.after.job_id >> BLOCK_BITS,)))
        at_once = Cut(limit=1)
        first = self._ordered(start, (BLOCK,), at_once, of=BLOCK)
        behind = Sql(f"{BLOCK} {self._further} block.number")
        following = self._ordered([self._of_project, behind], (BLOCK,), at_once, of=BLOCK)
        within = [self._of_project, Sql(f"{BLOCK} = block.number"), *wanted]
        jobs = self._ordered(within, ("id + 0",), Cut(limit=cut.end))
        text = f"""
            WITH RECURSIVE block (number) AS (
                ({first.text}) UNION ALL SELECT ({following.text}) FROM block WHERE number IS NOT NULL
            )
            SELECT job.id FROM block CROSS JOIN LATERAL ({jobs.text}) job LIMIT %s OFFSET %s
        """
        return Sql(text, (*first.values, *following.values, *jobs.values, cut.limit, cut.offset))

    def _narrowest(self, names: list[str], cut: Cut) -> Sql:
        """Sort the jobs of the first filter that has few; if none has, take the widest walk. Only one is taken."""
        few = [self._by(name, [], Cut(limit=NARROW[name] + 1)) for name in names]
        given = ", ".join(f"few_{number} AS MATERIALIZED ({each.text})" for number, each in enumerate(few))
        gates, ways = "TRUE", []
        for number, name in enumerate(names):
            many = f"EXISTS (SELECT FROM few_{number} OFFSET {NARROW[name]})"
            ways.append(self._sorted(Sql(f"id IN (SELECT id FROM few_{number}) AND {gates} AND NOT {many}"), cut))
            gates = f"{gates} AND {many}"
        widest = self._widest(cut)
        ways.append(Sql(f"SELECT id FROM ({widest.text}) walk WHERE {gates}", widest.values))
        union = _union(ways)
        return Sql(f"WITH {given} {union.text}", (*(value for each in few for value in each.values), *union.values))

    def _sorted(self, among: Sql, cut: Cut) -> Sql:
        """Sort all that is wanted; no index has this order, so none can be walked for it."""
        order = ("start_at + interval '0'", "id") if self.search.order.by_start else ("id + 0",)
        return self._ordered([among, self._of_project, *self._rest()], order, cut)

    def _ordered(self, wanted: list[Sql], order: tuple[str, ...], cut: Cut, *, of: str = "id") -> Sql:
        where = _all(wanted)
        by = ", ".join(f"{expression} {self._way}" for expression in order)
        text = f"SELECT {of} FROM {JOBS} WHERE {where.text} ORDER BY {by} LIMIT %s OFFSET %s"
        return Sql(text, (*where.values, cut.limit, cut.offset))


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
