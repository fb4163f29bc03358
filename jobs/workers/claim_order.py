"""Which due jobs to claim next: fair between organizations, within a bounded set of candidates."""

import heapq
from collections import Counter
from collections.abc import Iterable, Sized
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Count

from ..db import clock
from ..db.connection import home
from ..models import Job, JobQuerySet, Organization, Pause, Paused
from ..status import Status

# The first so many due jobs; when there are more, the first few of so many further projects as well.
WINDOW: Final = 200
PROJECTS: Final = 100
PER_PROJECT: Final = 4
MOST_REMEMBERED: Final = 10_000


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A due job that might be claimed."""

    job_id: int
    action: str
    project_id: Any
    organization_id: Any
    due_at: datetime
    crashes: int
    was_reserved: bool = False

    @property
    def runs_alone(self) -> bool:
        """A job that a worker died of takes nobody else's job with it the next time."""
        return self.crashes > 0


class ClaimOrder:
    """Finds candidates; remembers where among the waiting projects it looked last, and whose turns were the latest."""

    def __init__(self) -> None:
        self._after: Any = None
        self._turn = count(1)
        # By organization, the number of its latest turn; the longest ago first.
        self._served: dict[Any, int] = {}

    def candidates(self) -> list[Candidate]:
        """Return due jobs in the order to claim them, but for those that are held back.

        Organizations with the fewest running jobs come first, of these the one that this
        process served the longest ago, then the longest due, then the lowest id. At most
        ``WINDOW + PROJECTS * PER_PROJECT`` are looked at.
        """
        paused = self._paused()
        if paused.everything:
            return []
        found = self._read(paused.leave_out(self._due()).order_by("due_at", "pk")[:WINDOW])
        if len(found) == WINDOW:
            known = {candidate.job_id for candidate in found}
            found += [candidate for candidate in self._heads(paused) if candidate.job_id not in known]
        return list(_fairly(found, self._served_now(), self._served))

    def note_served(self, claimed: Iterable[Candidate]) -> None:
        """Remember whose turn it was: where jobs end at once, nobody has any running when the next is chosen."""
        for candidate in claimed:
            self._served.pop(candidate.organization_id, None)
            self._served[candidate.organization_id] = next(self._turn)
        while len(self._served) > MOST_REMEMBERED:
            del self._served[next(iter(self._served))]

    def _heads(self, paused: Paused) -> list[Candidate]:
        """The longest due jobs of the next ``PROJECTS`` projects, so that a flood of one hides nobody."""
        ids, last = _heads_of_projects(self._after, paused, self._and_due_sql())
        self._after = last
        return self._read(Job.objects.filter(pk__in=ids))

    @staticmethod
    def _read(jobs: Any) -> list[Candidate]:
        columns = ("pk", "action", "project_id", "project__organization_id", "due_at", "crashes", "reserved_until")
        return [
            Candidate(
                job_id=pk,
                action=action,
                project_id=project,
                organization_id=owner,
                due_at=due_at,
                crashes=crashes,
                was_reserved=reserved_until is not None,
            )
            for pk, action, project, owner, due_at, crashes, reserved_until in jobs.values_list(*columns)
        ]

    # ------------------------------------------------------------ what an order of another kind changes

    def _paused(self) -> Paused:
        """What is not to be found now."""
        return Pause.objects.in_force()

    def _due(self) -> JobQuerySet:
        """What is to be found."""
        return Job.objects.due()

    def _and_due_sql(self) -> tuple[str, tuple[Any, ...]]:
        """The same as a further condition on ``job``, which is due, with its parameters."""
        return "", ()

    def _served_now(self) -> Counter[Any]:
        """How many jobs each organization has that are being done."""
        return count_by_organization(Job.objects.filter(status=Status.RUNNING))


def seconds_to_next() -> float | None:
    """Return how long until the next waiting job that is not held back is due (0: now), or None if none waits."""
    waiting = Pause.objects.in_force().leave_out(Job.objects.waiting())
    due_at = waiting.order_by("due_at", "pk").values_list("due_at", flat=True).first()
    if due_at is None:
        return None
    return max(timedelta(0), due_at - clock.read(home())).total_seconds()


def count_by_organization(jobs: JobQuerySet) -> Counter[Any]:
    """Return how many of ``jobs`` each organization has."""
    counted = jobs.order_by().values_list("project__organization_id").annotate(count=Count("pk"))
    return Counter(dict(counted))


def _fairly(candidates: Iterable[Candidate], running: Counter[Any], served: dict[Any, int]) -> Iterable[Candidate]:
    """Yield candidates, each time from the organization that has the fewest running and yielded."""
    lines: dict[Any, list[tuple[datetime, int, Candidate]]] = {}
    for candidate in candidates:
        lines.setdefault(candidate.organization_id, []).append((candidate.due_at, candidate.job_id, candidate))
    for line in lines.values():
        line.sort(reverse=True)
    heap = [
        (running[owner], served.get(owner, 0), *line[-1][:2], index)
        for index, (owner, line) in enumerate(lines.items())
    ]
    heapq.heapify(heap)
    in_order = list(lines.values())
    while heap:
        held, turn, _, _, index = heapq.heappop(heap)
        line = in_order[index]
        yield line.pop()[2]
        if line:
            heapq.heappush(heap, (held + 1, turn, *line[-1][:2], index))


def _heads_of_projects(after: Any, paused: Paused, and_due: tuple[str, tuple[Any, ...]]) -> tuple[list[int], Any]:
    """Return ids of the longest due jobs of up to ``PROJECTS`` projects after ``after``, and where to go on.

    A loose index scan: one index entry a project, however many jobs each has. It steps over
    projects that are paused or whose organization is disabled, so that these cost one entry each, too.
    """
    connection = home()
    now, now_params = clock.compiled(clock.compared(clock.NOW, connection), connection)
    unpaused, unpaused_params = _unpaused_actions(paused)
    due = (
        f"FROM {Job._meta.db_table} AS job WHERE job.status = 'scheduled' AND job.held_at IS NULL"
        f" AND job.due_at <= {now} {unpaused} {and_due[0]}"
    )
    due_params = (*now_params, *unpaused_params, *and_due[1])
    beyond, beyond_params = ("", ()) if after is None else ("AND job.project_id > %s", (after,))
    off, off_params = _project_is_off(paused, connection)
    # One subquery a head: to join with a subquery of several, PostgreSQL would try it on every row of the table.
    heads = ", ".join(
        f"(SELECT job.id {due} AND job.project_id = waiting.project_id"
        f" ORDER BY job.due_at, job.id LIMIT 1 OFFSET {number})"
        for number in range(PER_PROJECT)
    )
    # No value stands in the text: names of tables are Django's, instants and keys are parameters.
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
    """  # noqa: S608
    params = (*due_params, *beyond_params, *due_params, *off_params * 2, *due_params * PER_PROJECT, *off_params)
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows = cursor.fetchall()
    ids = [pk for _, *heads in rows for pk in heads if pk is not None]
    return ids, rows[-1][0] if len(rows) == PROJECTS else None


def _project_is_off(paused: Paused, connection: BaseDatabaseWrapper) -> tuple[str, tuple[Any, ...]]:
    """Return a condition, and its parameters, that says of ``waiting.project_id`` that none of its jobs may run."""
    params = tuple(map(_for_driver, paused.projects))
    parts = [f"waiting.project_id IN ({_marks(params)})"] if params else []
    if paused.disabled:
        quote = connection.ops.quote_name
        project: Any = Job._meta.get_field("project").related_model
        tables = f"{quote(project._meta.db_table)} AS project, {quote(Organization._meta.db_table)} AS organization"
        owner = quote(project._meta.get_field("organization").column)
        # By primary keys alone, so the cost is one look a project, however many organizations are disabled.
        parts.append(
            f"EXISTS (SELECT 1 FROM {tables} WHERE project.{quote(project._meta.pk.column)} = waiting.project_id"  # noqa: S608
            f" AND organization.id = project.{owner} AND organization.disabled_at IS NOT NULL)"
        )
    return f"({' OR '.join(parts)})" if parts else "1 = 0", params


def _unpaused_actions(paused: Paused) -> tuple[str, tuple[Any, ...]]:
    """Return a condition, and its parameters, that leaves out jobs of paused actions, everywhere or in a project."""
    parts = [f"job.action IN ({_marks(paused.actions)})"] if paused.actions else []
    parts += ["job.action = %s AND job.project_id = %s"] * len(paused.pairs)
    in_pairs = [value for action, project in paused.pairs for value in (action, _for_driver(project))]
    return f"AND NOT ({' OR '.join(parts)})" if parts else "", (*paused.actions, *in_pairs)


def _marks(values: Sized) -> str:
    return ", ".join(["%s"] * len(values))


def _for_driver(project_id: Any) -> Any:
    return Job._meta.get_field("project").get_db_prep_value(project_id, home())
