"""A midnight at which the jobs of 200 organizations are due at once: fairness, latency of the API, cost of a job."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import psycopg

from jobs.services.tenants.api_keys import create_api_key
from tests.support.factories import make_project
from tests.support.http_server import database_url
from tests.support.processes import Process
from tests.system.chaos.api_server import ApiServer
from tests.system.scale.callers import Caller, quantile
from tests.system.scale.findings import problems_of
from tests.system.scale.midnight_rows import ORGANIZATIONS, fill, one, read_outcome, share_out
from tests.system.scale.usage import Watched

WORKERS: Final = 2
SAMPLE_SECONDS: Final = 2.0
QUIET_CALLS: Final = 250
PACE_SECONDS: Final = 0.05
# A claim reads at most 100 organizations' first jobs beside those that have been due the longest.
LIMITS: Final[dict[str, float]] = {
    **dict.fromkeys(("lost", "doubled", "early", "blamed", "failed_calls"), 0),
    **dict.fromkeys(("organizations_without_a_turn", "small_jobs_not_begun"), 0),
    "begun_before_all_had_a_turn": 10 * ORGANIZATIONS,
    "last_small_job_to_fair_place": 2.0,
    "cost_to_empty": 3.0,
    "call_p99_seconds": 2.0,
    "pick_up_p99_seconds": 10.0,
}


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Processor seconds of the workers and their backends by an instant of the database's clock."""

    at: datetime
    cpu: float


def run(directory: Path, *, jobs: int, few: int, seconds: float) -> dict[str, Any]:
    """Drain ``few`` jobs, then ``jobs`` beside calls of the API, for ``seconds`` at most; return figures, problems."""
    projects = [make_project() for _ in range(ORGANIZATIONS)]
    keys = [project.pk for project in projects]
    with psycopg.connect(database_url(), autocommit=True) as connection:
        fill(connection, share_out(keys, few))
        empty = cost_of(connection, drain(directory, connection, seconds=seconds))
        shares = share_out(keys, jobs)
        fill(connection, shares)
        print(f"{jobs:,} jobs of {ORGANIZATIONS} organizations are due", flush=True)
        with running_web(directory) as web:
            quiet, busy = callers_of(web, make_project())
            quiet.run()
            busy.start()
            samples = drain(directory, connection, seconds=seconds)
            busy.ended.set()
            busy.join()
        cost = cost_of(connection, samples)
        figures = {
            "jobs": jobs,
            **read_outcome(connection, shares, busy.created),
            "cost_ms": round(cost, 3),
            "cost_of_empty_ms": round(empty, 3),
            "cost_to_empty": round(cost / empty, 2),
            **figures_of_calls(quiet, busy),
        }
    return {"figures": figures, "problems": [*problems_of(figures, LIMITS), *busy.problems[:5]]}


def callers_of(web: ApiServer, project: Any) -> tuple[Caller, Caller]:
    """Return a caller for the time before the workers start, and one for the time in which they run."""
    secret = create_api_key(organization=project.organization).secret
    called = {"project": project.key, "secret": secret}
    Caller(web.port, pace=0, count=1, **called).run()  # the first call is slower, as it imports
    return (
        Caller(web.port, pace=PACE_SECONDS / 5, count=QUIET_CALLS, **called),
        Caller(web.port, pace=PACE_SECONDS, **called),
    )


def figures_of_calls(quiet: Caller, busy: Caller) -> dict[str, Any]:
    seconds = [one for kind in busy.seconds.values() for one in kind]
    return {
        "calls": busy.made,
        "failed_calls": len(quiet.problems) + len(busy.problems),
        "call_p99_seconds": round(quantile(seconds, 0.99), 3),
        "calls_before": quiet.spreads(),
        "calls_meanwhile": busy.spreads(),
    }


@contextmanager
def running_web(directory: Path) -> Iterator[ApiServer]:
    pids = directory / "web-pids"
    pids.mkdir()
    web = ApiServer(pids, log_path=directory / "web.log", environment={"PGAPPNAME": "scale-web"})
    try:
        yield web
    finally:
        web.kill()


def drain(directory: Path, connection: "psycopg.Connection[Any]", *, seconds: float) -> list[Sample]:
    """Let workers run what is due, for ``seconds`` at most; return samples of their processor time."""
    watched = Watched(connection, "scale-worker")
    command, environment = ("manage.py", "jobworker", "--threads=4", "--drain"), {"PGAPPNAME": "scale-worker"}
    logs = [directory / f"worker-{number}.log" for number in range(WORKERS)]
    workers = [Process(*command, log_path=log, environment=environment) for log in logs]
    samples = []
    until, next_line = time.monotonic() + seconds, 0.0
    try:
        while any(worker.is_alive for worker in workers) and time.monotonic() < until:
            at = one(connection, "SELECT clock_timestamp()")[0]
            samples.append(Sample(at=at, cpu=watched.cpu([worker.pid for worker in workers])))
            if time.monotonic() > next_line:
                print(f"{at:%H:%M:%S}: {samples[-1].cpu:,.0f} s of processor time", flush=True)
                next_line = time.monotonic() + 30
            time.sleep(SAMPLE_SECONDS)
    finally:
        statuses = [worker.stop() if worker.is_alive else worker.wait() for worker in workers]
    if any(statuses):
        raise RuntimeError("\n".join(worker.log for worker in workers))
    return samples


def cost_of(connection: "psycopg.Connection[Any]", samples: list[Sample]) -> float:
    """Return the processor milliseconds a job, of the workers and their backends, without the workers' start."""
    (first,) = one(connection, "SELECT min(begun_at) FROM jobs_job")
    part = [sample for sample in samples if sample.at >= first]
    finished = "SELECT count(*) FROM jobs_job WHERE finished_at > %s AND finished_at <= %s AND status = 'completed'"
    (count,) = one(connection, finished, part[0].at, part[-1].at)
    return float(1000 * (part[-1].cpu - part[0].cpu) / max(count, 1))
