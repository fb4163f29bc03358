"""Inject faults by the thousand and count what became of the jobs: what ``make chaos`` does.

Each part runs on a database of its own. The seed is printed; the same seed makes the same
choices. ``--write`` puts the figures into docs/reliability.md.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from tests.support.postgres import NoServer, Server, end_cleanly_on_sigterm, postgres_server
from tests.support.source import ROOT
from tests.system.chaos.table import DATABASES, PARTS, write_table

# The whole: kills, repeats of the matrix, freezes, outages, races, kills through Celery.
COUNTS: Final = {
    "postgresql": {"kills": 1000, "matrix": 5, "freezes": 64, "outages": 60, "races": 10_000, "celery": 500},
    "sqlite": {"kills": 300, "matrix": 5, "freezes": 20, "outages": 30, "races": 2_000, "celery": 100},
}


def main() -> int:
    """Run what was asked for; 0 if every promise was kept."""
    chosen = arguments()
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
            for part in chosen.parts:
                count = getattr(chosen, part) or COUNTS[database][part]
                print(f"\n==> {part}: {count} on {database}, seed {chosen.seed}", flush=True)
                results.append({**run_part(server, database, part, count, chosen.seed), "database": database})
                print(json.dumps(results[-1], indent=1, default=str), flush=True)
                if chosen.results:
                    Path(chosen.results).write_text(json.dumps(results, default=str))
    if chosen.write:
        write_table(results)
    return 0 if all(result.get("is_clean") for result in results) else 1


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="tests.system.chaos", description=__doc__)
    parser.add_argument("--only", choices=DATABASES, help="one database alone")
    parser.add_argument("--parts", default=",".join(PARTS), help="comma list (default: %(default)s)")
    for part in PARTS:
        parser.add_argument(f"--{part}", type=int, help=f"how many {part}; for the matrix, repeats")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**8)
    parser.add_argument("--results", help="a file for the results as JSON")
    parser.add_argument("--write", action="store_true", help="write the table of docs/reliability.md")
    chosen = parser.parse_args()
    chosen.databases = [chosen.only] if chosen.only else list(DATABASES)
    chosen.parts = chosen.parts.split(",")
    if unknown := set(chosen.parts) - set(PARTS):
        parser.error(f"--parts takes {', '.join(PARTS)}, not {', '.join(sorted(unknown))}")
    return chosen


def run_part(server: Server | None, database: str, part: str, count: int, seed: int) -> dict[str, Any]:
    """Run one part on a new database, and return its result."""
    with new_database(server, database) as url:
        command = [sys.executable, "-m", "tests.system.chaos.part", part, f"--count={count}", f"--seed={seed}"]
        environment = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.system.chaos.settings"}
        last = ""
        began = time.monotonic()
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
            try:
                for line in process.stdout or ():
                    last = line
                    if not line.startswith("{"):
                        print(line, end="", flush=True)
            finally:
                process.terminate()
    result = json.loads(last) if last.startswith("{") else {"is_clean": False, "error": "the run did not end"}
    return {**result, "part": part, "count": count, "seed": seed, "seconds": round(time.monotonic() - began)}


@contextmanager
def new_database(server: Server | None, database: str) -> Iterator[str]:
    """Give the URL of an empty database that is removed at the end."""
    if database == "postgresql":
        assert server is not None
        with server.new_database("chaos_jobs") as url:
            yield url
    else:
        with tempfile.TemporaryDirectory(prefix="jobs-chaos-", ignore_cleanup_errors=True) as directory:
            yield f"sqlite:///{directory}/chaos.sqlite3"


if __name__ == "__main__":
    sys.exit(main())
