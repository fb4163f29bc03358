"""Finds the jobs that match a filter of staff's: each search scans one index, and a bounded part of it.

Conditions that an index answers alone find every job. For any other condition only the newest
``WINDOW`` entries of the best index are scanned, and the result says so; the next search goes on
where this window ended.

``planner`` says how a scan is written. Results must be read within :func:`.planner.index_scans_only`.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Self

from django.db.models import F, Q
from django.db.models.expressions import RawSQL

from ...db.connection import jobs_connection
from ...models import Job, JobQuerySet
from ...status import Status
from .planner import JOBS, Holds, Sql, beyond, index_scans_only, joined, pinned, union
from .staff_filter import JobFilter, parse_id

WINDOW: Final = 50_000
# Jobs get their times a moment before their ids, so the two orders differ by seconds.
OUT_OF_ORDER: Final = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class Window:
    """Where a search ended although there may be more jobs; ``before`` continues there."""

    size: int
    # When the last job of the window was created.
    since: datetime
    before: int


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """The jobs found, in their order; ``window`` is None if all jobs were searched."""

    jobs: JobQuerySet
    window: Window | None = None


@dataclass(frozen=True, kw_only=True)
class IndexScan:
    """A scan of one index: its rows, the columns that order them, and the fields of the filter that it answers."""

    rows: JobQuerySet
    keys: tuple[str, ...]
    answers: frozenset[str]
    # Newest first, or most overdue first; an order by id can be reversed, within the same window.
    descending: bool = True
    # False: there are few rows, in no index's order, so that a window is neither possible nor needed.
    is_long: bool = True

    @property
    def position(self) -> tuple[str, ...]:
        """The columns that tell where a job is in the scan; a column with one value for all is not needed."""
        return ("id",) if self.descending else self.keys

    def beyond(self, operator: str, *position: Any) -> Self:
        """Return the part of the scan on one side of a position, e.g. ``>``; no job need be there."""
        return replace(self, rows=self.rows.filter(Holds(beyond, self.position, operator, position)))

    def ordered(self, *, reverse: bool = False) -> JobQuerySet:
        """Return the rows in the order of the scan; few rows in one that no index has, so that they are sorted."""
        if not self.is_long:
            by_id = F("id") + 0
            return self.rows.order_by(by_id.asc() if reverse else by_id.desc())
        sign = "-" if self.descending != reverse else ""
        return self.rows.order_by(*(f"{sign}{key}" for key in self.keys))

    def residual(self, wanted: JobFilter) -> Q:
        """Return the conditions that the scan does not answer."""
        return wanted.conditions(*wanted.given - self.answers)


def search_jobs(wanted: JobFilter, *, before: int | None = None, reverse: bool = False) -> SearchResult:
    """Find the jobs that match, newest first or, with ``due_until``, most overdue first.

    Args:
        before: the id of a job; search behind it only. Ignored if its position is no longer known.
        reverse: reverse the order, if it is by id.

    A few short queries find the end of the window; the caller reads the jobs, in ``index_scans_only()``.
    """
    scan = choose_scan(wanted)
    if scan is None:
        return SearchResult(jobs=Job.objects.none())
    residual = scan.residual(wanted)
    if before is not None and scan.is_long and (position := _position_of(before, scan)) is not None:
        scan = scan.beyond("<" if scan.descending else ">", *position)
    last = _last_of_window(scan) if residual and scan.is_long else None
    if last is not None:
        scan = scan.beyond(">=" if scan.descending else "<=", *last)
    window = None if last is None else _window_of(last[-1], wanted, scan)
    jobs = scan.ordered(reverse=reverse and scan.descending)
    return SearchResult(jobs=jobs.filter(residual) if residual else jobs, window=window)


def choose_scan(wanted: JobFilter) -> IndexScan | None:
    """Choose the index: by reference, else the one that has the fewest jobs as a rule. None: no job can match."""
    is_due_elsewhere = wanted.due_until is not None and wanted.status not in (None, Status.SCHEDULED)
    if wanted.nothing or is_due_elsewhere:
        return None
    if wanted.same_as is not None or wanted.search:
        return _scan_of_search(wanted)
    if wanted.due_until is not None:
        due = _in_project(wanted).waiting().filter(due_at__lte=wanted.due_until)
        answers = frozenset({"project", "status", "due_until"})
        return IndexScan(rows=due, keys=("due_at", "id"), answers=answers, descending=False)
    if wanted.status is not None and wanted.project is not None:
        return _scan_of_value(wanted, "status", wanted.status)
    if wanted.status == Status.RUNNING:
        running = Job.objects.filter(status=Status.RUNNING)
        return IndexScan(rows=running, keys=("id",), answers=frozenset({"status"}), is_long=False)
    if wanted.status not in (None, Status.COMPLETED):
        scan = _scan_of_value(wanted, "status", wanted.status)
        return replace(scan, rows=scan.rows.in_status_index())
    if wanted.project is not None:
        return _scan_of_value(replace(wanted, project=None), "project_id", wanted.project)
    return IndexScan(rows=Job.objects.all(), keys=("id",), answers=frozenset())


def _in_project(wanted: JobFilter) -> JobQuerySet:
    return Job.objects.all() if wanted.project is None else Job.objects.filter(project=wanted.project)


def _scan_of_search(wanted: JobFilter) -> IndexScan | None:
    """Scan by reference; where the text may mean several things, read the few jobs of each."""
    if wanted.same_as is not None:
        reference = Job.objects.filter(pk=wanted.same_as).values_list("reference_id", flat=True).first()
        if not reference:  # the job is redacted or gone
            return None
        if not wanted.search:
            return _scan_of_reference(wanted, reference, "same_as")
        scan = _scan_of_search(replace(wanted, same_as=None))
        return scan and replace(scan, rows=scan.rows.filter(reference_id=reference))
    job_id, references = parse_id(wanted.search), wanted.references
    if job_id is None and not references:
        return None
    if job_id is None and len(references) == 1:
        return _scan_of_reference(wanted, references[0], "search")
    # No job has a negative id; so the query has the same shape where the text is no id.
    connection = jobs_connection()
    within = [] if wanted.project is None else [pinned("project_id", wanted.project, connection)]
    meant = [
        Sql("id = %s", (-1 if job_id is None else job_id,)),
        *(joined(" AND ", [pinned("reference_id", each, connection), *within]) for each in references),
    ]
    few = union(Sql(f"SELECT id FROM {JOBS} WHERE {each.text}", each.values) for each in meant)  # noqa: S608 – no value
    rows = Job.objects.filter(pk__in=RawSQL(few.text, few.values))  # noqa: S611 – what was typed is a parameter
    return IndexScan(rows=rows, keys=("id",), answers=frozenset({"search"}), is_long=False)


def _scan_of_reference(wanted: JobFilter, reference: str, answer: str) -> IndexScan:
    """Scan a reference in a project; of all projects sort its jobs, as the index has them project by project."""
    scan = _scan_of_value(wanted, "reference_id", reference, answer)
    return scan if wanted.project is not None else replace(scan, keys=("id",), is_long=False)


def _scan_of_value(wanted: JobFilter, column: str, value: Any, *answers: str) -> IndexScan:
    """Scan one value of a column, by id."""
    rows = _in_project(wanted).filter(Holds(pinned, column, value))
    return IndexScan(rows=rows, keys=(column, "id"), answers=frozenset({"project", column, *answers}))


def _position_of(job_id: int, scan: IndexScan) -> tuple[Any, ...] | None:
    """Return the position of a job in a scan: its id, and before it what else the scan is ordered by."""
    if scan.descending:
        return (job_id,)
    due_at = Job.objects.filter(pk=job_id).values_list("due_at", flat=True).first()
    return None if due_at is None else (due_at, job_id)


def _last_of_window(scan: IndexScan) -> tuple[Any, ...] | None:
    """Return the position at which the window ends, found in the index alone; None: the scan is not longer."""
    with index_scans_only():
        ends = list(scan.ordered().values_list(*scan.position)[WINDOW - 1 : WINDOW + 1])
    return ends[0] if len(ends) == 2 else None


def _window_of(last_id: int, wanted: JobFilter, scan: IndexScan) -> Window | None:
    since = Job.objects.filter(pk=last_id).values_list("created_at", flat=True).first()
    if since is None:  # deleted meanwhile
        return None
    begins_before = wanted.created_from is not None and since < wanted.created_from - OUT_OF_ORDER
    return None if scan.descending and begins_before else Window(size=WINDOW, since=since, before=last_id)
