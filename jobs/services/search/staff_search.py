"""How staff's searches stay fast at any number of jobs: each walks one index, and looks no further than a window.

What an index answers alone is found wherever it is. Anything else that is asked is looked
for among the newest ``WINDOW`` entries of the best index, and the answer says so; the next
window begins where this one ended.

``ORDER BY id LIMIT 50`` lets the planner walk the primary key, as it takes matching rows to
be spread evenly; where they lie elsewhere it reads millions. So every walk has an order
that its index alone can give, and one value of a column is asked for by :class:`Pinned`.
Whoever reads what was found does so within :func:`jobs.services.search.planner.index_walks`.
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
from .planner import Pinned, index_walks
from .staff_filter import JobFilter, parse_id, references_in

WINDOW: Final = 50_000
MOST_OF_A_REFERENCE: Final = 10_001
# Jobs get their times a moment before their ids, so the two orders differ by seconds.
OUT_OF_ORDER: Final = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class Window:
    """Where a search ended although there is more; ``before`` goes on from there."""

    size: int
    # When the last job looked at was created.
    since: datetime
    before: int


@dataclass(frozen=True, kw_only=True)
class Look:
    """The jobs that were found, in their order; ``window`` None: among all there are."""

    jobs: JobQuerySet
    window: Window | None = None


@dataclass(frozen=True, kw_only=True)
class Walk:
    """The way through one index: its rows, the columns that order them, and what of the filter it has answered."""

    # All of them, whatever bounds the walk.
    base: JobQuerySet
    keys: tuple[str, ...]
    answers: frozenset[str]
    lower: Q | Func | None = None
    upper: Q | Func | None = None
    # Newest first, or most overdue first; an order by id can be turned round, within the same window.
    descending: bool = True
    # Whether an end of the walk can be set, and is needed.
    endless: bool = True

    @property
    def place(self) -> tuple[str, ...]:
        """The columns that tell where in the walk a job stands: of a value that all have there is no need."""
        return ("pk",) if self.descending else self.keys

    @property
    def rows(self) -> JobQuerySet:
        """Those between its bounds."""
        bounds = [bound for bound in (self.lower, self.upper) if bound is not None]
        return self.base.filter(*bounds) if bounds else self.base

    def ordered(self, *, reverse: bool = False) -> JobQuerySet:
        """Return its rows in its order; the few that have no walk in one that no index has, so that they are sorted."""
        if not self.endless:
            by_id = F("pk") + 0
            return self.rows.order_by(by_id.asc() if reverse else by_id.desc())
        sign = "-" if self.descending != reverse else ""
        return self.rows.order_by(*(f"{sign}{key}" for key in self.keys))

    def residual(self, wanted: JobFilter) -> Q:
        """Return what is asked beyond this walk."""
        return wanted.conditions(*wanted.asked - self.answers)


def look_for(wanted: JobFilter, *, before: int | None = None, reverse: bool = False) -> Look:
    """Find the jobs that ``wanted`` asks for, newest first or, if only late ones are, most overdue first.

    Args:
        before: the id of a job; look behind it only. Ignored if its place is no longer known.
        reverse: turn the order round, where it is by id.

    A few short queries tell where the window ends; the jobs themselves are read by the caller, in ``index_walks()``.
    """
    walk = walk_for(wanted)
    if walk is None:
        return Look(jobs=Job.objects.none())
    residual = walk.residual(wanted)
    if before is not None and walk.endless and (place := _place_of(before, walk)) is not None:
        walk = _part_of(walk, "<" if walk.descending else ">", place)
    last = _last_of_window(walk) if residual and walk.endless else None
    if last is not None:
        walk = _part_of(walk, ">=" if walk.descending else "<=", last)
    window = None if last is None else _window_of(last[-1], wanted, walk)
    jobs = walk.ordered(reverse=reverse and walk.descending)
    return Look(jobs=jobs.filter(residual) if residual else jobs, window=window)


def walk_for(wanted: JobFilter) -> Walk | None:
    """Choose the index: by reference, else by what has the fewest jobs as a rule. None: there can be no such job."""
    late_elsewhere = wanted.due_until is not None and wanted.status not in (None, Status.SCHEDULED)
    if wanted.nothing or late_elsewhere:
        return None
    if wanted.same_as is not None or wanted.search:
        return _by_search(wanted)
    of_project = Job.objects.filter(project=wanted.project) if wanted.project is not None else Job.objects.all()
    asked = {"project"} & wanted.asked
    if wanted.due_until is not None:
        waiting = of_project.waiting()
        answers = frozenset({"status", "due_until"} | asked)
        until = Q(due_at__lte=wanted.due_until)
        return Walk(base=waiting, keys=("due_at", "pk"), answers=answers, upper=until, descending=False)
    if wanted.status is not None:
        return _pinned(of_project, "status", wanted.status, asked)
    if wanted.action is not None and asked:
        return _pinned(of_project, "action", wanted.action, asked)
    if asked:
        return _pinned(Job.objects.all(), "project_id", wanted.project, {"project"})
    return Walk(base=Job.objects.all(), keys=("pk",), answers=frozenset())


def part_of(walk: Walk, way: str, job_id: int) -> Walk:
    """Return the part of a walk that goes by id which lies on one side of an id, e.g. ``>``; no job need have it."""
    return _part_of(walk, way, (job_id,))


def _by_search(wanted: JobFilter) -> Walk | None:
    """Walk by reference; of what may be several things, read the few jobs of each."""
    if wanted.same_as is not None:
        reference = Job.objects.filter(pk=wanted.same_as).values_list("reference_id", flat=True).first()
        if not reference:  # of those redacted nobody knows any more whom they were about
            return None
        if not wanted.search:
            return _by_reference(wanted, reference, {"same_as"})
        walk = _by_search(replace(wanted, same_as=None))
        return walk and replace(walk, base=walk.base.filter(reference_id=reference))
    named, references = parse_id(wanted.search), references_in(wanted.search)
    if not references:
        return None
    if named is None and len(references) == 1:
        return _by_reference(wanted, references[0], {"search"})
    # A negative id is none: where no id is meant, the query has the same shape.
    parts = ["SELECT id FROM jobs_job WHERE id = %s"]
    values: list[Any] = [-1 if named is None else named]
    for reference in references:
        parts.append(
            "SELECT * FROM (SELECT id FROM jobs_job WHERE reference_id >= %s AND reference_id <= %s "
            "ORDER BY reference_id DESC, id DESC LIMIT %s) newest"
        )
        values += [reference, reference, MOST_OF_A_REFERENCE]
    few = RawSQL(" UNION ALL ".join(parts), values)  # noqa: S611 – what was typed is a parameter
    return Walk(base=Job.objects.filter(pk__in=few), keys=("pk",), answers=frozenset({"search"}), endless=False)


def _by_reference(wanted: JobFilter, reference: str, answers: set[str]) -> Walk:
    rows = Job.objects.all() if wanted.project is None else Job.objects.filter(project=wanted.project)
    return _pinned(rows, "reference_id", reference, answers | ({"project"} & wanted.asked))


def _pinned(rows: JobQuerySet, column: str, value: Any, answers: set[str]) -> Walk:
    """Walk through one value of a column, by id."""
    pinned = rows.filter(Pinned(column, value))
    return Walk(base=pinned, keys=(column, "pk"), answers=frozenset(answers | {column}))


def _place_of(job_id: int, walk: Walk) -> tuple[Any, ...] | None:
    """Return where a job stands in a walk: its id, and what the walk goes by before, if it does."""
    if walk.descending:
        return (job_id,)
    due_at = Job.objects.filter(pk=job_id).values_list("due_at", flat=True).first()
    return None if due_at is None else (due_at, job_id)


def _last_of_window(walk: Walk) -> tuple[Any, ...] | None:
    """Return the place at which a window ends, found in the index alone; None: the walk ends before."""
    with index_walks():
        ends = list(walk.ordered().values_list(*walk.place)[WINDOW - 1 : WINDOW + 1])
    return ends[0] if len(ends) == 2 else None


def _window_of(last_id: int, wanted: JobFilter, walk: Walk) -> Window | None:
    since = Job.objects.filter(pk=last_id).values_list("created_at", flat=True).first()
    if since is None:  # deleted meanwhile
        return None
    begins_before = wanted.created_from is not None and since < wanted.created_from - OUT_OF_ORDER
    return None if walk.descending and begins_before else Window(size=WINDOW, since=since, before=last_id)


def _part_of(walk: Walk, way: str, place: tuple[Any, ...]) -> Walk:
    """Move one bound of a walk to a place within it, which is narrower than the bound that it had."""
    names = walk.keys[-len(place) :]
    bound = _Compared(names, way, place)
    return replace(walk, lower=bound) if way.startswith(">") else replace(walk, upper=bound)


class _Compared(Func):
    """``(a, b) >= (x, y)``: a part of one index, in which no other index can share."""

    output_field = BooleanField()

    def __init__(self, keys: tuple[str, ...], way: str, place: tuple[Any, ...]) -> None:
        fields = [Job._meta.pk if key == "pk" else Job._meta.get_field(key) for key in keys]
        values = [Value(value, output_field=field) for value, field in zip(place, fields, strict=True)]  # type: ignore[arg-type]
        super().__init__(*map(F, keys), *values)
        self.way = way

    def as_sql(  # type: ignore[override]  # has no template
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any
    ) -> tuple[str, list[Any]]:
        parts = [compiler.compile(expression) for expression in self.get_source_expressions()]
        half = len(parts) // 2
        left, right = (", ".join(sql for sql, _ in side) for side in (parts[:half], parts[half:]))
        return f"({left}) {self.way} ({right})", [value for _, values in parts for value in values]
