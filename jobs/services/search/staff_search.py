"""Finds the jobs that match a filter of staff's: each search scans one index, and a bounded part of it.

Conditions that an index answers alone find every job. For any other condition only the newest
``WINDOW`` entries of the best index are scanned, and the result says so; the next search goes on
where this window ended.

Each scan has an order that only its index has (``planner`` says why), and selects one value of a
column by :class:`IndexEquals`. Results must be read within :func:`.planner.index_scans_only`.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, F, Func, Q, Value
from django.db.models.expressions import RawSQL
from django.db.models.sql.compiler import SQLCompiler

from ...models import Job, JobQuerySet
from ...status import Status
from .planner import IndexEquals, index_scans_only
from .staff_filter import JobFilter, parse_id

WINDOW: Final = 50_000
MAX_OF_A_REFERENCE: Final = 10_001
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

    # All rows, without the bounds.
    base: JobQuerySet
    keys: tuple[str, ...]
    answers: frozenset[str]
    lower: Q | Func | None = None
    upper: Q | Func | None = None
    # Newest first, or most overdue first; an order by id can be reversed, within the same window.
    descending: bool = True
    # False: there are few rows, in no index's order, so that a window is neither possible nor needed.
    is_long: bool = True

    @property
    def position(self) -> tuple[str, ...]:
        """The columns that tell where a job is in the scan; a column with one value for all is not needed."""
        return ("pk",) if self.descending else self.keys

    @property
    def rows(self) -> JobQuerySet:
        """The rows between the bounds."""
        bounds = [bound for bound in (self.lower, self.upper) if bound is not None]
        return self.base.filter(*bounds) if bounds else self.base

    def ordered(self, *, reverse: bool = False) -> JobQuerySet:
        """Return the rows in the order of the scan; few rows in one that no index has, so that they are sorted."""
        if not self.is_long:
            by_id = F("pk") + 0
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
        scan = _narrow(scan, "<" if scan.descending else ">", position)
    last = _last_of_window(scan) if residual and scan.is_long else None
    if last is not None:
        scan = _narrow(scan, ">=" if scan.descending else "<=", last)
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
    jobs = _in_project(wanted)
    project = {"project"} & wanted.given
    if wanted.due_until is not None:
        waiting = jobs.waiting()
        answers = frozenset({"status", "due_until"} | project)
        until = Q(due_at__lte=wanted.due_until)
        return IndexScan(base=waiting, keys=("due_at", "pk"), answers=answers, upper=until, descending=False)
    if wanted.status is not None and project:
        return _scan_of_value(jobs, "status", wanted.status, project)
    if wanted.status == Status.RUNNING:
        running = Job.objects.filter(status=Status.RUNNING)
        return IndexScan(base=running, keys=("pk",), answers=frozenset({"status"}), is_long=False)
    if wanted.status not in (None, Status.COMPLETED):
        return _scan_of_value(jobs.in_status_index(), "status", wanted.status, set())
    if project:
        return _scan_of_value(Job.objects.all(), "project_id", wanted.project, project)
    return IndexScan(base=Job.objects.all(), keys=("pk",), answers=frozenset())


def narrow_by_id(scan: IndexScan, operator: str, job_id: int) -> IndexScan:
    """Return the part of a scan by id that is on one side of an id, e.g. ``>``; no job need have the id."""
    return _narrow(scan, operator, (job_id,))


def _in_project(wanted: JobFilter) -> JobQuerySet:
    return Job.objects.all() if wanted.project is None else Job.objects.filter(project=wanted.project)


def _scan_of_search(wanted: JobFilter) -> IndexScan | None:
    """Scan by reference; where the text may mean several things, read the few jobs of each."""
    if wanted.same_as is not None:
        reference = Job.objects.filter(pk=wanted.same_as).values_list("reference_id", flat=True).first()
        if not reference:  # the job is redacted or gone
            return None
        if not wanted.search:
            return _scan_of_reference(wanted, reference, {"same_as"})
        scan = _scan_of_search(replace(wanted, same_as=None))
        return scan and replace(scan, base=scan.base.filter(reference_id=reference))
    job_id, references = parse_id(wanted.search), wanted.references
    if job_id is None and not references:
        return None
    if job_id is None and len(references) == 1:
        return _scan_of_reference(wanted, references[0], {"search"})
    # No job has a negative id; so the query has the same shape where the text is no id.
    parts = ["SELECT id FROM jobs_job WHERE id = %s"]
    values: list[Any] = [-1 if job_id is None else job_id]
    for reference in references:
        parts.append(
            "SELECT * FROM (SELECT id FROM jobs_job WHERE reference_id >= %s AND reference_id <= %s "
            "ORDER BY reference_id DESC, project_id DESC, id DESC LIMIT %s) newest"
        )
        values += [reference, reference, MAX_OF_A_REFERENCE]
    few = RawSQL(" UNION ALL ".join(parts), values)  # noqa: S611 – what was typed is a parameter
    return IndexScan(base=Job.objects.filter(pk__in=few), keys=("pk",), answers=frozenset({"search"}), is_long=False)


def _scan_of_reference(wanted: JobFilter, reference: str, answers: set[str]) -> IndexScan:
    if wanted.project is not None:
        return _scan_of_value(_in_project(wanted), "reference_id", reference, answers | {"project"})
    # The index has a reference's jobs project by project.
    same = Job.objects.filter(IndexEquals("reference_id", reference))
    return IndexScan(base=same, keys=("pk",), answers=frozenset(answers | {"reference_id"}), is_long=False)


def _scan_of_value(rows: JobQuerySet, column: str, value: Any, answers: set[str]) -> IndexScan:
    """Scan one value of a column, by id."""
    same = rows.filter(IndexEquals(column, value))
    return IndexScan(base=same, keys=(column, "pk"), answers=frozenset(answers | {column}))


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


def _narrow(scan: IndexScan, operator: str, position: tuple[Any, ...]) -> IndexScan:
    """Set one bound of a scan to a position within it."""
    bound = _RowComparison(scan.keys[-len(position) :], operator, position)
    return replace(scan, lower=bound) if operator.startswith(">") else replace(scan, upper=bound)


class _RowComparison(Func):
    """``(a, b) >= (x, y)``: a part of one index, which no other index can answer."""

    output_field = BooleanField()

    def __init__(self, keys: tuple[str, ...], operator: str, position: tuple[Any, ...]) -> None:
        fields = [Job._meta.pk if key == "pk" else Job._meta.get_field(key) for key in keys]
        values = [Value(value, output_field=field) for value, field in zip(position, fields, strict=True)]  # type: ignore[arg-type]  # pk is never None
        super().__init__(*map(F, keys), *values)
        self.operator = operator

    def as_sql(  # type: ignore[override]  # has no template
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any
    ) -> tuple[str, list[Any]]:
        parts = [compiler.compile(expression) for expression in self.get_source_expressions()]
        half = len(parts) // 2
        left, right = (", ".join(sql for sql, _ in side) for side in (parts[:half], parts[half:]))
        return f"({left}) {self.operator} ({right})", [value for _, values in parts for value in values]
