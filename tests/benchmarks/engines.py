"""Measures the engines on PostgreSQL beside each other: ``make bench-engines``.

Of each engine, in turns: a job that does nothing, from its creation to its end, and the bare engine's
empty task that makes the two updates of a row itself; beside the embedded worker the hand-written
loop of ``make bench``. Of the worker also the CPU time of PostgreSQL's process by statement, and the Python
calls of the thread that runs the jobs by layer.
Then the milliseconds from COMMIT to the first line of an action, in idle workers.
Only ratios mean something on a machine that others use too; figures are medians of the rounds.
"""

import os
import sys
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import Final
from uuid import uuid4

from tests.benchmarks.processes import measure, migrate
from tests.benchmarks.program import Table, parser_of, run_on_postgresql
from tests.system.engines.engines import BROKER_URL, Celery, TasksDb

SETTINGS: Final = "tests.benchmarks.engine_settings"
measure_engine: Final = partial(measure, module="tests.benchmarks.engine_measures", settings=SETTINGS)


@dataclass(frozen=True, kw_only=True)
class Size:
    rounds: int = 3
    jobs: int = 1_000
    samples: int = 30


QUICK: Final = Size(rounds=1, jobs=300, samples=8)
# With how many threads or processes: one, and what is natural for two cores.
ENGINES: Final = {"embedded": (1, 4), "tasks_db": (1, 2), "celery": (1, 2)}


def main() -> int:
    parser = parser_of("tests.benchmarks.engines", __doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, jobs and samples")
    parser.add_argument("--only", default=",".join(ENGINES), help="comma list (default: %(default)s)")
    parser.add_argument("--jobs", type=int, help="how many jobs a rate is measured with")
    chosen = parser.parse_args()
    size = QUICK if chosen.quick else Size()
    size = replace(size, jobs=chosen.jobs or size.jobs)
    prefix = f"jobs-bench-{uuid4().hex[:12]}."
    os.environ |= {"BENCHMARK_QUEUE_PREFIX": prefix, "TEST_BROKER_URL": BROKER_URL}
    try:
        return run_on_postgresql("benchmarks_jobs", lambda url: run(chosen.only.split(","), size, url))
    finally:
        if not Celery.missing():
            Celery.delete_queues(prefix)


def run(wanted: list[str], size: Size, url: str) -> None:
    os.environ["BENCHMARK_ENGINE"] = "embedded"
    migrate(url, settings=SETTINGS)
    table = Table("", ("jobs", 12), ("bare", 12), ("ratio", 8))
    for engine, counts in ENGINES.items():
        if engine not in wanted:
            continue
        if lacking := missing(engine):
            print(f"{engine}: left out, as this machine lacks {lacking}")
            continue
        os.environ["BENCHMARK_ENGINE"] = engine
        for count in counts:
            print_rates(table, engine, count, size, url)
        if engine == "embedded":
            print_layers(table, size, url)
        print_pick_up(table, engine, size, url)


def missing(engine: str) -> str:
    """Return what this machine lacks to run the engine; empty: nothing."""
    return {"embedded": "", "tasks_db": TasksDb.missing(), "celery": Celery.missing() or TasksDb.missing()}[engine]


def print_rates(table: Table, engine: str, count: int, size: Size, url: str) -> None:
    ours, bare = [], []
    for _ in range(size.rounds):
        if engine == "embedded":
            bare.append(measure("raw_rate", url, jobs=size.jobs, threads=count))
        else:
            bare.append(measure_engine("bare_rate", url, jobs=size.jobs, processes=count))
        ours.append(measure_engine("jobs_rate", url, jobs=size.jobs, processes=count))
    table.compare(f"no-op jobs/s, {engine}, {count} at once", ours, bare, ",.0f")


def print_layers(table: Table, size: Size, url: str) -> None:
    for statement, milliseconds in measure_engine("server_cpu", url, jobs=size.jobs).items():
        table.row(f"PostgreSQL's CPU, ms a job: {statement}", milliseconds)
    found = measure_engine("calls", url, jobs=size.jobs)
    for layer, number in found.items():
        table.row(f"Python calls a job, {layer}", f"{number:.0f}")
    table.row("Python calls a job", f"{sum(found.values()):.0f}")


def print_pick_up(table: Table, engine: str, size: Size, url: str) -> None:
    ours = measure_engine("jobs_pick_up", url, samples=size.samples)
    bare = [] if engine == "embedded" else measure_engine("bare_pick_up", url, samples=size.samples)
    table.row(
        f"pick-up p50 ms, {engine}",
        f"{median(ours):.1f}",
        f"{median(bare):.1f}" if bare else "",
        remark=f"max {max(ours):.0f} ms" + (f", bare {max(bare):.0f} ms" if bare else ""),
    )


if __name__ == "__main__":
    sys.exit(main())
