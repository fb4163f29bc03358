"""Measures the worker on PostgreSQL and SQLite, beside hand-written loops: ``make bench``.

The worker and a hand-written loop take turns, as only ratios mean something on a machine
that others use too. Figures are medians of the rounds, where nothing else is said.

a  jobs per second of an action that does nothing; raw: claim and finish a row of such a table in a transaction
b  milliseconds from COMMIT of a schedule to the first line of the action, in an idle worker
c  seconds of an erase of many rows; raw: one DELETE a table, in one transaction. Both are the best of the rounds, as
   others can only lengthen them. Meanwhile, the longest wait of a cancel-like UPDATE
   plain: nothing refers to the rows; cascade: three quarters go with the others; signals: the same, with receivers
d  jobs per second on SQLite
e  seconds of an erase by a map; raw: of the same erase written by hand. The best of the rounds
   plain: one model that nothing refers to; stores: a quarter of the rows, and three quarters that refer to these
   preview: the same map counts what it would do
"""

import os
import sys
import tempfile
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Final

from tests.benchmarks.processes import measure, migrate
from tests.benchmarks.program import Table, above, parser_of, run_on_postgresql

AIM_RATE: Final = 0.5
AIM_MAP: Final = 1.1
AIM_PREVIEW_SECONDS: Final = 2
AIM_PICK_UP_MS: Final = {"PostgreSQL": 10, "SQLite": 150}


@dataclass(frozen=True, kw_only=True)
class Size:
    rounds: int = 3
    jobs: int = 6_000
    samples: int = 60
    rows: int = 200_000
    previewed: int = 1_000_000


QUICK: Final = Size(rounds=3, jobs=1_000, samples=20, rows=50_000, previewed=100_000)


def main() -> int:
    parser = parser_of("tests.benchmarks", __doc__)
    parser.add_argument("--only", default="a,b,c,d,e", help="comma list of what to measure (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="fewer jobs, samples and rows")
    chosen = parser.parse_args()
    sections = set(chosen.only.split(","))
    if unknown := sections - set("abcde"):
        parser.error(f"--only takes a, b, c, d and e, not {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(prefix="jobs-benchmarks-", ignore_cleanup_errors=True) as directory:
        os.environ["TMPDIR"] = tempfile.tempdir = directory
        sqlite = f"sqlite:///{directory}/benchmarks.sqlite3"
        size = QUICK if chosen.quick else Size()
        return run_on_postgresql("benchmarks_jobs", lambda url: run(sections, size, url, sqlite))


def run(sections: set[str], size: Size, postgresql: str, sqlite: str) -> None:
    migrate(postgresql)
    migrate(sqlite)
    table = Table("", ("jobs", 12), ("raw", 12), ("ratio", 8))
    if "a" in sections:
        for threads in (1, 4):
            print_rates(table, threads, size, postgresql)
    if "b" in sections:
        print_pick_up(table, "PostgreSQL", size, postgresql)
        print_pick_up(table, "SQLite", size, sqlite)
    if "c" in sections:
        for shape in ("plain", "cascade", "signals"):
            print_erase(table, "PostgreSQL", shape, size, postgresql)
            print_erase(table, "SQLite", shape, size, sqlite)
    if "d" in sections:
        for threads in (1, 4):
            rates = [measure("worker_rate", sqlite, jobs=size.jobs // 3, threads=threads) for _ in range(size.rounds)]
            name, span = f"d  no-op jobs/s, SQLite, {threads} thread(s)", f"{min(rates):,.0f} to {max(rates):,.0f}"
            table.row(name, f"{median(rates):,.0f}", remark=span)
    if "e" in sections:
        for shape in ("plain", "stores"):
            print_map(table, "PostgreSQL", shape, size, postgresql)
            print_map(table, "SQLite", shape, size, sqlite)
            seconds = [measure("preview", postgresql, shape=shape, rows=size.previewed)["seconds"] for _ in range(3)]
            name = f"e  preview of {size.previewed:,} rows, s, PostgreSQL, {shape}"
            table.row(name, min(seconds), remark=above(min(seconds), AIM_PREVIEW_SECONDS))


def print_rates(table: Table, threads: int, size: Size, url: str) -> None:
    raw, ours = [], []
    for _ in range(size.rounds):
        raw.append(measure("raw_rate", url, jobs=size.jobs, threads=threads))
        ours.append(measure("worker_rate", url, jobs=size.jobs, threads=threads))
    table.compare(f"a  no-op jobs/s, PostgreSQL, {threads} thread(s)", ours, raw, ",.0f", least=AIM_RATE)


def print_pick_up(table: Table, database: str, size: Size, url: str) -> None:
    waits = measure("pick_up", url, samples=size.samples)
    p99 = quantiles(waits, n=100, method="inclusive")[98]
    missed = above(median(waits), AIM_PICK_UP_MS[database], " ms at p50")
    remark = f"p99 {p99:.1f}, max {max(waits):.1f} ms {missed}"
    table.row(f"b  pick-up p50 ms, {database}, {len(waits)} samples", f"{median(waits):.1f}", remark=remark)


def print_erase(table: Table, database: str, shape: str, size: Size, url: str) -> None:
    raw, ours, django = [], [], []
    for _ in range(size.rounds):
        raw.append(measure("raw_delete", url, shape=shape, rows=size.rows)["seconds"])
        if shape == "signals":
            django.append(measure("django_delete", url, rows=size.rows)["seconds"])
        ours.append(measure("erase", url, shape=shape, rows=size.rows))
    seconds = [one["seconds"] for one in ours]
    ratios = ", ".join(f"{one / other:.1f}" for one, other in zip(seconds, raw, strict=True))
    name = f"c  erase of {size.rows:,} rows, s, {database}, {shape}"
    table.row(name, min(seconds), min(raw), min(seconds) / min(raw), remark=f"ratios {ratios}")
    if django:
        table.row("   beside Django's delete() of all at once", min(seconds), min(django), min(seconds) / min(django))
    longest_chunk, longest_wait = (max(one[name] for one in ours) * 1000 for name in ("longest_chunk", "longest_wait"))
    table.row("   longest chunk, ms", f"{longest_chunk:.0f}", remark=f"{ours[0]['chunks']} chunks")
    table.row("   longest wait of a cancel meanwhile, ms", f"{longest_wait:.0f}")


def print_map(table: Table, database: str, shape: str, size: Size, url: str) -> None:
    by_hand, by_map = [], []
    for _ in range(size.rounds):
        by_hand.append(measure("erase", url, shape=shape, rows=size.rows))
        by_map.append(measure("erase", url, shape=f"map_{shape}", rows=size.rows))
    best, best_by_hand = (min(one["seconds"] for one in ours) for ours in (by_map, by_hand))
    name, ratio = f"e  erase of {size.rows:,} rows by a map, s, {database}, {shape}", best / best_by_hand
    waits = ", ".join(f"{one['longest_wait'] * 1000:.0f}" for one in by_map)
    table.row(name, best, best_by_hand, ratio, remark=f"longest waits {waits} ms {above(ratio, AIM_MAP)}".strip())


if __name__ == "__main__":
    sys.exit(main())
