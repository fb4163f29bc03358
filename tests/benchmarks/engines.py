"""Measure the engines on PostgreSQL beside each other: what ``make bench-engines`` does.

Of each engine, turn and turn about: a job that does nothing, from its creation to its end, and the bare
engine's empty task that makes the two updates of a row itself; beside the embedded worker the hand-written
loop of ``make bench``. Then the milliseconds from COMMIT to the first line of an action, in idle workers.
Only ratios mean something on a machine that others use too; figures are medians of the rounds.
"""

import argparse
import os
import sys
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, Final
from uuid import uuid4

from tests.benchmarks.__main__ import print_facts, print_row
from tests.benchmarks.processes import MeasureFailed, measure, migrate
from tests.support.postgres import NoServer, end_cleanly_on_sigterm, postgres_server
from tests.system.engines.engines import BROKER_URL, Celery, TasksDb

MEASURES: Final = "tests.benchmarks.engine_measures"
SETTINGS: Final = "tests.benchmarks.engine_settings"


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is measured."""

    rounds: int = 3
    jobs: int = 1_000
    samples: int = 30


QUICK: Final = Size(rounds=1, jobs=300, samples=8)
# Name, and how many threads or processes: one, and what is natural for two cores.
ENGINES: Final = (("embedded", (1, 4)), ("tasks_db", (1, 2)), ("celery", (1, 2)))


def main() -> int:
    """Measure what can be measured here; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="tests.benchmarks.engines", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds, jobs and samples")
    parser.add_argument(
        "--only", default=",".join(name for name, _ in ENGINES), help="comma list (default: %(default)s)"
    )
    parser.add_argument("--jobs", type=int, help="how many jobs a rate is measured with")
    chosen = parser.parse_args()
    size = QUICK if chosen.quick else Size()
    size = replace(size, jobs=chosen.jobs or size.jobs)
    end_cleanly_on_sigterm()
    prefix = f"jobs-bench-{uuid4().hex[:12]}."
    os.environ |= {"BENCHMARK_QUEUE_PREFIX": prefix, "TEST_BROKER_URL": BROKER_URL}
    try:
        with postgres_server() as server, server.new_database("benchmarks_jobs") as url:
            print_facts(server)
            os.environ["BENCHMARK_ENGINE"] = "embedded"
            migrate(url, settings=SETTINGS)
            print(f"\n{'':47}{'jobs':>12}{'bare':>12}{'ratio':>8}")
            for engine, counts in ENGINES:
                if engine not in chosen.only.split(","):
                    continue
                if lacking := missing(engine):
                    print(f"{engine}: left out, as this machine lacks {lacking}")
                    continue
                os.environ["BENCHMARK_ENGINE"] = engine
                for count in counts:
                    print_rates(engine, count, size, url)
                print_pick_up(engine, size, url)
    except (NoServer, MeasureFailed) as error:
        print(f"\nThe benchmarks could not be run: {error}", file=sys.stderr)
        return 1
    finally:
        if not Celery.missing():
            Celery.delete_queues(prefix)
    print(f"\nLoad average at the end: {os.getloadavg()[0]:.2f}, of which the benchmarks are a part.")
    return 0


def missing(engine: str) -> str:
    """Return what this machine lacks to run the engine; empty: nothing."""
    return {"embedded": "", "tasks_db": TasksDb.missing(), "celery": Celery.missing() or TasksDb.missing()}[engine]


def print_rates(engine: str, count: int, size: Size, url: str) -> None:
    """Measure and print the rates of an engine with so many processes or threads."""
    ours, bare = [], []
    for _ in range(size.rounds):
        if engine == "embedded":
            bare.append(measure("raw_rate", url, jobs=size.jobs, threads=count))
        else:
            bare.append(_measure("bare_rate", url, jobs=size.jobs, processes=count))
        ours.append(_measure("jobs_rate", url, jobs=size.jobs, processes=count))
    ratios = [one / other for one, other in zip(ours, bare, strict=True)]
    print_row(
        f"no-op jobs/s, {engine}, {count} at once",
        f"{median(ours):,.0f}",
        f"{median(bare):,.0f}",
        f"{median(ratios):.2f}",
        remark=f"ratios {', '.join(f'{ratio:.2f}' for ratio in ratios)}",
    )


def print_pick_up(engine: str, size: Size, url: str) -> None:
    """Measure and print how long an idle engine takes to pick a job up."""
    ours = _measure("jobs_pick_up", url, samples=size.samples)
    bare = [] if engine == "embedded" else _measure("bare_pick_up", url, samples=size.samples)
    print_row(
        f"pick-up p50 ms, {engine}",
        f"{median(ours):.1f}",
        f"{median(bare):.1f}" if bare else "",
        remark=f"max {max(ours):.0f} ms" + (f", bare {max(bare):.0f} ms" if bare else ""),
    )


def _measure(name: str, url: str, **arguments: Any) -> Any:
    return measure(name, url, module=MEASURES, settings=SETTINGS, **arguments)


if __name__ == "__main__":
    sys.exit(main())
