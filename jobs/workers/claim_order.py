"""Decides which due jobs are claimed next: fair between organizations, from a bounded number of candidates."""

from collections import Counter
from collections.abc import Iterable, Sized
from datetime import datetime
from itertools import count
from typing import Any, ClassVar, Final, NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Count, QuerySet

from ..db import clock
from ..db.connection import jobs_connection
from ..db.statements import Statement
from ..models import Job, JobQuerySet, Organization, Pause, Paused
from ..status import Status

# The candidates are the first WINDOW due jobs and, where more are due, the first PER_PROJECT of PROJECTS projects.
WINDOW: Final = 200
PROJECTS: Final = 100
PER_PROJECT: Final = 4
MOST_REMEMBERED: Final = 10_000
COLUMNS: Final = ("pk", "action", "project__organization_id", "due_at", "crashes", "reserved_until")


class Candidate(NamedTuple):
    """A due job that might be claimed: ``COLUMNS`` of its row."""

    job_id: int
    action: str
    organization_id: Any
    due_at: datetime
    crashes: int
    reserved_until: datetime | None = None

    @property
    def runs_alone(self) -> bool:
        """Whether its worker has crashed before; then the next crash must hit no other job."""
        return self.crashes > 0


class ClaimOrder:
    """Finds and sorts candidates; remembers at which project its search ended and when each organization had a turn.

    :class:`DispatchOrder` overrides what is paused, due and running.
    """

    _window: ClassVar[Statement[Any]] = Statement(lambda: first_due(Job.objects.due()))

    def __init__(self) -> None:
        # The last project of the search beyond the window; the next search begins after it.
        self._after: Any = None
        self._turn = count(1)
        # By organization, the number of its latest turn; the earliest first.
        self._turns: dict[Any, int] = {}

    def candidates(self) -> list[Candidate]:
        """Return due jobs that are not paused, in the order to claim them.

        Organizations with the fewest running jobs come first; among these the one whose
        latest turn in this process was the earliest, then the job that has been due the
        longest, then the lowest id. At most ``WINDOW + PROJECTS * PER_PROJECT`` are read.
        """
        paused = self._paused()
        if paused.everything:
            return []
        # Where nothing is paused, which is usual, the search is compiled once.
        rows = first_due(paused.leave_out(self._due())) if paused.has_any else self._window.run()
        found = [Candidate(*row) for row in rows]
        if len(found) == WINDOW:
            known = {candidate.job_id for candidate in found}
            found += [candidate for candidate in self._heads(paused) if candidate.job_id not in known]
        # Those of one organization, which are usual, have its order whatever else of it runs.
        is_shared = len({candidate.organization_id for candidate in found}) > 1
        return _sort_fairly(found, self._running() if is_shared else Counter(), self._turns)

    def note_turns(self, claimed: Iterable[Candidate]) -> None:
        """Remember which organizations had a turn: if no job runs any more at the next claim, only turns decide."""
        for candidate in claimed:
            self._turns.pop(candidate.organization_id, None)
            self._turns[candidate.organization_id] = next(self._turn)
        while len(self._turns) > MOST_REMEMBERED:
            del self._turns[next(iter(self._turns))]

    def _heads(self, paused: Paused) -> list[Candidate]:
        """Return the first jobs of the next ``PROJECTS`` projects, so that a flood of one project hides no other."""
        ids, self._after = _first_jobs_by_project(self._after, paused, self._and_due_sql())
        return [Candidate(*row) for row in Job.objects.filter(pk__in=ids).values_list(*COLUMNS)]

    def _paused(self) -> Paused:
        """Return what must not be found now."""
        return Pause.objects.in_force()

    def _due(self) -> JobQuerySet:
        return Job.objects.due()

    def _and_due_sql(self) -> tuple[str, tuple[Any, ...]]:
        """Return what narrows :meth:`_due` as SQL on the table ``job``, with its parameters."""
        return "", ()

    def _running(self) -> Counter[Any]:
        return Counter(dict(_RUNNING.run()))


def first_due(jobs: JobQuerySet) -> QuerySet[Job, Any]:
    """Return ``COLUMNS`` of the first jobs."""
    return jobs.order_by("due_at", "pk").values_list(*COLUMNS)[:WINDOW]


def seconds_to_next() -> float | None:
    """Return the seconds until the next job that is not paused is due (0: now); None: no such job waits."""
    paused = Pause.objects.in_force()
    rows = _next(paused.leave_out(Job.objects.waiting())) if paused.has_any else _NEXT.run()
    return seconds_until(*(due_at for (due_at,) in rows))


def _next(waiting: JobQuerySet) -> QuerySet[Job, Any]:
    return waiting.order_by("due_at", "pk").values_list("due_at")[:1]


def seconds_until(*instants: datetime | None) -> float | None:
    """Return the seconds until the earliest of ``instants`` (0: it has passed); None: there is none."""
    known = [instant for instant in instants if instant is not None]
    return max(0.0, (min(known) - clock.read(jobs_connection())).total_seconds()) if known else None


def count_by_organization(jobs: JobQuerySet) -> QuerySet[Job, Any]:
    """Return how many of ``jobs`` each organization has, as pairs."""
    return jobs.order_by().values_list("project__organization_id").annotate(count=Count("pk"))


_NEXT: Final[Statement[Any]] = Statement(lambda: _next(Job.objects.waiting()))
_RUNNING: Final[Statement[Any]] = Statement(lambda: count_by_organization(Job.objects.filter(status=Status.RUNNING)))


def _sort_fairly(candidates: list[Candidate], running: Counter[Any], turns: dict[Any, int]) -> list[Candidate]:
    """Sort candidates: first those before which the fewest jobs of their organization run or come."""
    before = Counter(running)
    keyed = []
    for candidate in sorted(candidates, key=lambda candidate: (candidate.due_at, candidate.job_id)):
        owner = candidate.organization_id
        keyed.append((before[owner], turns.get(owner, 0), candidate.due_at, candidate.job_id, candidate))
        before[owner] += 1
    return [candidate for *_, candidate in sorted(keyed)]


def _first_jobs_by_project(after: Any, paused: Paused, and_due: tuple[str, tuple[Any, ...]]) -> tuple[list[int], Any]:
    """Return the ids of the first due jobs of up to ``PROJECTS`` projects after ``after``, and the last project.

    The last project is None when the search has reached the end. It is a loose index scan: it
    reads one index entry per project, however many jobs each has, also for the projects that it
    skips because they are paused or their organization is disabled.
    """
    connection = jobs_connection()
    now, now_params = clock.compiled(clock.compared(clock.NOW, connection), connection)
    unpaused, unpaused_params = _unpaused_actions(paused)
    due = (
        f"FROM {Job._meta.db_table} AS job WHERE job.status = 'scheduled' AND job.held_at IS NULL"
        f" AND job.due_at <= {now} {unpaused} {and_due[0]}"
    )
    due_params = (*now_params, *unpaused_params, *and_due[1])
    beyond, beyond_params = ("", ()) if after is None else ("AND job.project_id > %s", (after,))
    off, off_params = _project_is_paused_or_disabled(paused, connection)
    # One subquery per job: for a join with a subquery of several rows, PostgreSQL would read the whole table.
    heads = ", ".join(
        f"(SELECT job.id {due} AND job.project_id = waiting.project_id"
        f" ORDER BY job.due_at, job.id LIMIT 1 OFFSET {number})"
        for number in range(PER_PROJECT)
    )
    # The text contains no values: names of tables are Django's, instants and keys are parameters.
    sql = f"""
        WITH RECURSIVE waiting(project_id, place) AS (
            SELECT * FROM (SELECT job.project_id, 1 {due} {beyond} ORDER BY job.project_id LIMIT 1) AS first
            UNION ALL
            SELECT (SELECT job.project_id {due} AND job.project_id > waiting.project_id
                    ORDER BY job.project_id LIMIT 1), place + CASE WHEN {off} THEN 0 ELSE 1 END
            FROM waiting WHERE waiting.project_id IS NOT NULL AND (place < {PROJECTS} OR {off})
        )
        SELECT waiting.project_id, {heads} FROM waiting WHERE waiting.project_id IS NOT NULL AND NOT ({off})
        ORDER BY place
    """  # noqa: S608 – values are parameters
    params = (*due_params, *beyond_params, *due_params, *off_params * 2, *due_params * PER_PROJECT, *off_params)
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows = cursor.fetchall()
    ids = [pk for _, *heads in rows for pk in heads if pk is not None]
    return ids, rows[-1][0] if len(rows) == PROJECTS else None


def _project_is_paused_or_disabled(paused: Paused, connection: BaseDatabaseWrapper) -> tuple[str, tuple[Any, ...]]:
    """Return the condition, and its parameters, that no job of ``waiting.project_id`` may run."""
    params = tuple(map(_for_driver, paused.projects))
    parts = [f"waiting.project_id IN ({_marks(params)})"] if params else []
    if paused.disabled:
        quote = connection.ops.quote_name
        project: Any = Job._meta.get_field("project").related_model
        tables = f"{quote(project._meta.db_table)} AS project, {quote(Organization._meta.db_table)} AS organization"
        owner = quote(project._meta.get_field("organization").column)
        # By primary keys alone: one lookup per project, however many organizations are disabled.
        parts.append(
            f"EXISTS (SELECT 1 FROM {tables} WHERE project.{quote(project._meta.pk.column)} = waiting.project_id"  # noqa: S608 – quoted
            f" AND organization.id = project.{owner} AND organization.disabled_at IS NOT NULL)"
        )
    return f"({' OR '.join(parts)})" if parts else "1 = 0", params


def _unpaused_actions(paused: Paused) -> tuple[str, tuple[Any, ...]]:
    """Return a condition, and its parameters, that excludes jobs of actions paused everywhere or in their project."""
    parts = [f"job.action IN ({_marks(paused.actions)})"] if paused.actions else []
    parts += ["job.action = %s AND job.project_id = %s"] * len(paused.pairs)
    in_pairs = [value for action, project in paused.pairs for value in (action, _for_driver(project))]
    return f"AND NOT ({' OR '.join(parts)})" if parts else "", (*paused.actions, *in_pairs)


def _marks(values: Sized) -> str:
    return ", ".join(["%s"] * len(values))


def _for_driver(project_id: Any) -> Any:
    return Job._meta.get_field("project").get_db_prep_value(project_id, jobs_connection())
