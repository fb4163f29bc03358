"""Measure on PostgreSQL and SQLite, print one table: what ``make bench`` does.

Beside each other, turn and turn about, run the worker and a hand-written loop, as only
ratios mean something on a machine that others use too. Figures are medians of the rounds.

a  jobs per second of an action that does nothing; raw: claim and finish a row of such a table in a transaction
b  milliseconds from COMMIT of a schedule to the first line of the action, in an idle worker
c  seconds of an erase of many rows; raw: one DELETE. Meanwhile, the longest wait of a cancel-like UPDATE
d  jobs per second on SQLite
"""

import argparse
import os
import platform
import sqlite3
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Final

import django
import psycopg

from tests.benchmarks.processes import MeasureFailed, measure, migrate
from tests.support.postgres import NoServer, Server, end_cleanly_on_sigterm, postgres_server

AIM_RATE: Final = 0.5
AIM_PICK_UP_MS: Final = {"PostgreSQL": 10, "SQLite": 150}
HIGH_LOAD: Final = 0.5  # of others, a core


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is measured."""

    rounds: int = 3
    jobs: int = 6_000
    samples: int = 60
    rows: int = 200_000


QUICK: Final = Size(rounds=3, jobs=1_000, samples=20, rows=50_000)


def main() -> int:
    """Measure what was asked for; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="tests.benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="a,b,c,d", help="comma list of what to measure (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="fewer jobs, samples and rows")
    chosen = parser.parse_args()
    sections = set(chosen.only.split(","))
    if unknown := sections - set("abcd"):
        parser.error(f"--only takes a, b, c and d, not {', '.join(sorted(unknown))}")
    end_cleanly_on_sigterm()
    try:
        with tempfile.TemporaryDirectory(prefix="jobs-benchmarks-", ignore_cleanup_errors=True) as directory:
            os.environ["TMPDIR"] = tempfile.tempdir = directory
            with postgres_server() as server, server.new_database("benchmarks_jobs") as url:
                run(sections, QUICK if chosen.quick else Size(), server, url, Path(directory))
    except (NoServer, MeasureFailed) as error:
        print(f"\nThe benchmarks could not be run: {error}", file=sys.stderr)
        return 1
    return 0


def run(sections: set[str], size: Size, server: Server, postgresql: str, directory: Path) -> None:
    """Measure and print, section by section."""
    print_facts(server)
    sqlite = f"sqlite:///{directory / 'benchmarks.sqlite3'}"
    migrate(postgresql)
    migrate(sqlite)
    print(f"\n{'':47}{'jobs':>12}{'raw':>12}{'ratio':>8}")
    if "a" in sections:
        for threads in (1, 4):
            print_rates(threads, size, postgresql)
    if "b" in sections:
        print_pick_up("PostgreSQL", size, postgresql)
        print_pick_up("SQLite", size, sqlite)
    if "c" in sections:
        print_erase(size, postgresql)
    if "d" in sections:
        for threads in (1, 4):
            rates = [measure("worker_rate", sqlite, jobs=size.jobs // 3, threads=threads) for _ in range(size.rounds)]
            print_row(f"d  no-op jobs/s, SQLite, {threads} thread(s)", f"{median(rates):,.0f}", remark=spread(rates))
    print(f"\nLoad average at the end: {os.getloadavg()[0]:.2f}, of which the benchmarks are a part.")


def print_rates(threads: int, size: Size, url: str) -> None:
    """Measure and print section a for a number of threads."""
    raw, ours = [], []
    for _ in range(size.rounds):
        raw.append(measure("raw_rate", url, jobs=size.jobs, threads=threads))
        ours.append(measure("worker_rate", url, jobs=size.jobs, threads=threads))
    ratios = [one / other for one, other in zip(ours, raw, strict=True)]
    aim = "" if median(ratios) >= AIM_RATE else f", BELOW THE AIM of {AIM_RATE}"
    print_row(
        f"a  no-op jobs/s, PostgreSQL, {threads} thread(s)",
        f"{median(ours):,.0f}",
        f"{median(raw):,.0f}",
        f"{median(ratios):.2f}",
        remark=f"ratios {', '.join(f'{ratio:.2f}' for ratio in ratios)}{aim}",
    )


def print_pick_up(database: str, size: Size, url: str) -> None:
    """Measure and print section b for a database."""
    waits = measure("pick_up", url, samples=size.samples)
    middle, aim = median(waits), AIM_PICK_UP_MS[database]
    missed = "" if middle <= aim else f", ABOVE THE AIM of p50 {aim} ms"
    remark = f"p99 {quantiles(waits, n=100, method='inclusive')[98]:.1f}, max {max(waits):.1f} ms{missed}"
    print_row(f"b  pick-up p50 ms, {database}, {len(waits)} samples", f"{middle:.1f}", remark=remark)


def print_erase(size: Size, url: str) -> None:
    """Measure and print section c."""
    raw, ours = [], []
    for _ in range(size.rounds):
        raw.append(measure("raw_delete", url, rows=size.rows))
        ours.append(measure("erase", url, rows=size.rows))
    seconds, raw_seconds = [one["seconds"] for one in ours], [one["seconds"] for one in raw]
    ratios = [one / other for one, other in zip(seconds, raw_seconds, strict=True)]
    print_row(
        f"c  erase of {size.rows:,} rows, s",
        f"{median(seconds):.2f}",
        f"{median(raw_seconds):.2f}",
        f"{median(ratios):.2f}",
        remark=f"ratios {', '.join(f'{ratio:.2f}' for ratio in ratios)}",
    )
    print_row("   rows/s", f"{size.rows / median(seconds):,.0f}", f"{size.rows / median(raw_seconds):,.0f}")
    chunks = f"{ours[0]['chunks']} chunks"
    print_row("   longest chunk, ms", f"{max(one['longest_chunk'] for one in ours) * 1000:.0f}", remark=chunks)
    print_row("   longest wait of a cancel meanwhile, ms", f"{max(one['longest_wait'] for one in ours) * 1000:.0f}")


def print_row(what: str, ours: str, raw: str = "", ratio: str = "", *, remark: str = "") -> None:
    """Print one line of the table."""
    print(f"{what:47}{ours:>12}{raw:>12}{ratio:>8}  {remark}".rstrip(), flush=True)


def print_facts(server: Server) -> None:
    """Print on what it was measured."""
    cores, load = os.cpu_count() or 1, os.getloadavg()[0]
    versions = f"Python {platform.python_version()}, Django {django.get_version()}, psycopg {psycopg.__version__}"
    print(f"{cores} cores ({platform.machine()}), {versions}, {server}, SQLite {sqlite3.sqlite_version}")
    print(f"Load average at the start: {load:.2f}")
    if load > HIGH_LOAD * cores:
        print("WARNING: the machine is busy with other things; trust the ratios, not the figures.")


def spread(values: list[float]) -> str:
    """Return the least and the most, for a row without a counterpart."""
    return f"{min(values):,.0f} to {max(values):,.0f}"


if __name__ == "__main__":
    sys.exit(main())
