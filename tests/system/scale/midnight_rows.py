"""Fills the table with jobs that are due at one midnight, and reads by SQL what became of them."""

from dataclasses import dataclass
from typing import Any, Final

import psycopg

from tests.system.scale.callers import quantile, spread

ORGANIZATIONS: Final = 200
SMALL_ORGANIZATIONS: Final = 150
SMALL_JOBS: Final = 10
# The biggest comes first, so that by due time and id alone its jobs would all run before any other's.
FILL: Final = """
    INSERT INTO jobs_job (project_id, action, reference_id, description, status, created_at, start_at, due_at,
                          attempt, crashes, failures, progress_done, receipt)
    SELECT project, 'scale_nothing', 'user-' || project || '-' || n, 'Do nothing', 'scheduled',
           date_trunc('day', now()) - interval '1 hour', date_trunc('day', now()), date_trunc('day', now()),
           0, 0, 0, 0, '{}'
    FROM unnest(%s::bigint[], %s::int[]) WITH ORDINALITY AS share(project, jobs, place), generate_series(1, jobs) AS n
    ORDER BY place, n
"""
# The jobs that were filled in, in the order in which workers began them.
BEGUN_TABLE: Final = """
    CREATE TEMPORARY TABLE begun AS
    SELECT project_id, due_at, begun_at, finished_at, row_number() OVER (ORDER BY begun_at, id) AS place
    FROM jobs_job WHERE begun_at IS NOT NULL AND reference_id LIKE 'user-%'
"""
FIRST_OF_EACH: Final = """
    SELECT count(*), max(place), extract(epoch FROM max(begun_at) - (SELECT min(begun_at) FROM begun)) FROM (
        SELECT min(place) AS place, min(begun_at) AS begun_at FROM begun GROUP BY project_id) AS first
"""
LAST_OF_SMALL: Final = """
    SELECT count(*), max(place), extract(epoch FROM max(begun_at) - (SELECT min(begun_at) FROM begun))
    FROM begun WHERE project_id = ANY(%s)
"""
STATUSES: Final = "SELECT status, count(*) FROM jobs_job WHERE reference_id LIKE 'user-%' GROUP BY status"
# A job that a stopped worker handed back has two claims, and one end.
DOUBLED: Final = """
    SELECT count(*) FROM (
        SELECT job_id FROM jobs_jobevent WHERE what IN ('completed', 'failed', 'cancelled') GROUP BY job_id
        HAVING count(*) > 1) AS twice
"""
EARLY: Final = """
    SELECT count(*) FROM jobs_jobevent AS event JOIN jobs_job AS job ON job.id = event.job_id
    WHERE event.what = 'claimed' AND event.at < job.start_at
"""
BLAMED: Final = "SELECT count(*) FROM jobs_job WHERE failures > 0 OR crashes > 0"
PICK_UPS: Final = """
    SELECT extract(epoch FROM begun_at - created_at)::float FROM jobs_job
    WHERE id = ANY(%s) AND begun_at IS NOT NULL AND created_at > (SELECT min(begun_at) FROM begun)
"""
RATE: Final = "SELECT count(*) / extract(epoch FROM max(finished_at) - min(finished_at)) FROM begun"


@dataclass(frozen=True, kw_only=True)
class Shares:
    """How many jobs each of the projects has, one project an organization."""

    projects: list[int]
    jobs: list[int]

    @property
    def small(self) -> list[int]:
        return [project for project, jobs in zip(self.projects, self.jobs, strict=True) if jobs <= SMALL_JOBS]

    @property
    def fair_place(self) -> int:
        """The place of the last small job if every organization had its turn before any had another."""
        return sum(min(jobs, SMALL_JOBS) for jobs in self.jobs)


def share_out(projects: list[int], count: int) -> Shares:
    """Give half of all jobs to one project, 10 to each of the last 150, the same number to all between."""
    middle = len(projects) - SMALL_ORGANIZATIONS - 1
    rest = count - SMALL_ORGANIZATIONS * SMALL_JOBS
    each = rest // 2 // middle
    return Shares(projects=projects, jobs=[rest - each * middle, *[each] * middle, *[SMALL_JOBS] * SMALL_ORGANIZATIONS])


def fill(connection: "psycopg.Connection[Any]", shares: Shares) -> None:
    """Replace all jobs by those of ``shares``, in one commit."""
    connection.execute("TRUNCATE jobs_jobevent, jobs_job CASCADE")
    connection.execute(FILL, [shares.projects, shares.jobs])
    connection.execute("ANALYZE jobs_job")


def one(connection: "psycopg.Connection[Any]", sql: str, *params: Any) -> tuple[Any, ...]:
    row = connection.execute(sql, params or None).fetchone()
    assert row is not None, "an aggregate has a row"
    return tuple(row)


def read_outcome(connection: "psycopg.Connection[Any]", shares: Shares, called: list[int]) -> dict[str, Any]:
    """Return what became of the jobs; ``called`` are those that a caller of another organization created meanwhile."""
    connection.execute(BEGUN_TABLE)
    statuses = dict(connection.execute(STATUSES).fetchall())
    turns, all_had_a_turn, all_turns_seconds = one(connection, FIRST_OF_EACH)
    small, last_small, small_seconds = one(connection, LAST_OF_SMALL, shares.small)
    pick_ups = [seconds for (seconds,) in connection.execute(PICK_UPS, [called])]
    return {
        "statuses": statuses,
        "lost": sum(shares.jobs) - statuses.get("completed", 0) - statuses.get("scheduled", 0),
        "small_jobs_not_begun": len(shares.small) * SMALL_JOBS - small,
        "doubled": one(connection, DOUBLED)[0],
        "early": one(connection, EARLY)[0],
        "blamed": one(connection, BLAMED)[0],
        "jobs_per_second": round(float(one(connection, RATE)[0])),
        "organizations_without_a_turn": len(shares.projects) - turns,
        "begun_before_all_had_a_turn": all_had_a_turn,
        "seconds_until_all_had_a_turn": round(float(all_turns_seconds), 1),
        "last_small_job_begun_as": last_small,
        "last_small_job_to_fair_place": round(last_small / shares.fair_place, 2),
        "seconds_until_the_last_small_job": round(float(small_seconds), 1),
        "picked_up": len(pick_ups),
        "pick_up_seconds": spread(pick_ups),
        "pick_up_p99_seconds": round(quantile(pick_ups, 0.99), 3),
    }
