"""Injects faults by the thousand and counts what became of the jobs: ``make chaos``.

Each part is a run on a database of its own. The seed is printed; the same seed makes the same
choices. ``--write`` puts the figures into docs/reliability.md.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.support.postgres import NoServer, Server, end_cleanly_on_sigterm, postgres_server
from tests.system.chaos.parts import COUNTS, PARTS
from tests.system.chaos.results_table import KINDS, write_table
from tests.system.chaos.single_run import run_in_process


def main() -> int:
    chosen = parse_arguments()
    end_cleanly_on_sigterm()
    results = []
    with ExitStack() as stack:
        server = None
        if "postgresql" in chosen.databases:
            try:
                server = stack.enter_context(postgres_server())
            except NoServer as error:
                print(f"PostgreSQL could not be had: {error}", file=sys.stderr)
                return 1
        for database in chosen.databases:
            for part in [part for part in chosen.parts if part in COUNTS[database]]:
                count = getattr(chosen, part) or COUNTS[database][part]
                print(f"\n==> {part}: {count} on {database}, seed {chosen.seed}", flush=True)
                results.append(run_part(server if database == "postgresql" else None, part, count, chosen.seed))
                results[-1]["database"] = database
                print(json.dumps(results[-1], indent=1, default=str), flush=True)
                if chosen.results:
                    Path(chosen.results).write_text(json.dumps(results, default=str))
    print(f"\n==> {sum_up(results)}", flush=True)
    if chosen.write:
        write_table(results)
    return 0 if all(result.get("is_clean") for result in results) else 1


def sum_up(results: list[dict[str, Any]]) -> str:
    """Return the totals of all parts; races are no faults."""
    faults = sum(count for result in results for count in result.get("faults", {}).values())
    found: Counter[str] = Counter()
    for result in results:
        found.update(result.get("counts", {}))
    totals = ", ".join(f"{kind} {found[kind]}" for kind in KINDS)
    return f"{faults:,} faults in {sum(result['seconds'] for result in results):,} s: {totals}"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.system.chaos", description=__doc__)
    parser.add_argument("--only", choices=COUNTS, help="one database alone")
    parser.add_argument("--parts", default=",".join(PARTS), help="comma list (default: %(default)s)")
    for part in PARTS:
        parser.add_argument(f"--{part}", type=int, help=f"how many {part}; for the matrix, repeats")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**8)
    parser.add_argument("--results", help="a file for the results as JSON")
    parser.add_argument("--write", action="store_true", help="write the table of docs/reliability.md")
    chosen = parser.parse_args()
    chosen.databases = [chosen.only] if chosen.only else list(COUNTS)
    chosen.parts = chosen.parts.split(",")
    if unknown := set(chosen.parts) - set(PARTS):
        parser.error(f"--parts takes {', '.join(PARTS)}, not {', '.join(sorted(unknown))}")
    return chosen


def run_part(server: Server | None, part: str, count: int, seed: int) -> dict[str, Any]:
    began = time.monotonic()
    with ExitStack() as stack:
        if server:
            url = stack.enter_context(server.new_database("chaos_jobs"))
        else:
            directory = tempfile.TemporaryDirectory(prefix="jobs-chaos-", ignore_cleanup_errors=True)
            url = f"sqlite:///{stack.enter_context(directory)}/chaos.sqlite3"
        result = run_in_process(url, part, f"--count={count}", f"--seed={seed}")
    return {**result, "part": part, "count": count, "seed": seed, "seconds": round(time.monotonic() - began)}


if __name__ == "__main__":
    sys.exit(main())
