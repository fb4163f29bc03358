"""Measures what size and time do, each on an empty PostgreSQL database of its own; a part of ``make nightly``.

midnight  jobs of 200 organizations that are due at once: fairness, latency of the API, cost of a job
erase     one user with rows in three tables: chunks, a cancel's wait, memory
plain     one user with rows in one table: memory, transactions, and the API of another tenant
soak      memory, files, connections and threads of a worker and of web processes, and bloat of tables and indexes

``--short`` takes a tenth and less. The exit status is 0 if no figure is above its limit.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any, Final

from tests.support.postgres import NoServer, end_cleanly_on_sigterm, postgres_server
from tests.support.processes import run_for_result

SETTINGS: Final = "tests.system.scale.settings"
# What each part takes: the whole size, and the short one.
SIZES: Final[dict[str, tuple[dict[str, Any], dict[str, Any]]]] = {
    "midnight": (
        {"jobs": 1_000_000, "few": 10_000, "seconds": 14_400},
        {"jobs": 100_000, "few": 10_000, "seconds": 1_800},
    ),
    "erase": ({"rows": 5_000_000}, {"rows": 300_000}),
    "plain": ({"rows": 10_000_000}, {"rows": 300_000}),
    "soak": ({"jobs": 100_000, "requests": 100_000}, {"jobs": 10_000, "requests": 10_000}),
}


def main() -> int:
    as_it_is = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="tests.system.scale", description=__doc__, formatter_class=as_it_is)
    parser.add_argument("--parts", default=",".join(SIZES), help="comma list (default: %(default)s)")
    parser.add_argument("--short", action="store_true", help="fewer jobs, rows and requests")
    parser.add_argument("--seconds", type=float, help="for midnight: stop the workers after this time")
    parser.add_argument("--results", help="a file for the figures as JSON")
    chosen = parser.parse_args()
    if unknown := set(chosen.parts.split(",")) - SIZES.keys():
        parser.error(f"--parts takes {', '.join(SIZES)}, not {', '.join(sorted(unknown))}")
    end_cleanly_on_sigterm()
    results = {}
    try:
        with postgres_server() as server:
            for part in chosen.parts.split(","):
                size = dict(SIZES[part][chosen.short])
                if chosen.seconds and "seconds" in size:
                    size["seconds"] = chosen.seconds
                print(f"\n==> {part}: {size} on {server}, load average {os.getloadavg()[0]:.1f}", flush=True)
                with server.new_database("scale_jobs") as url:
                    results[part] = run_part(url, part, size)
                print(json.dumps(results[part], indent=1, default=str), flush=True)
    except NoServer as error:
        print(f"PostgreSQL could not be had: {error}", file=sys.stderr)
        return 1
    if chosen.results:
        Path(chosen.results).write_text(json.dumps(results, default=str))
    return 1 if any(result["problems"] for result in results.values()) else 0


def run_part(url: str, part: str, size: dict[str, Any]) -> dict[str, Any]:
    """Run one part in a process of its own, on the empty database at ``url``; return its figures and problems."""
    program = ("-m", "tests.support.django_program", "tests.system.scale.part", part, json.dumps(size))
    result = run_for_result(*program, DATABASE_URL=url, DJANGO_SETTINGS_MODULE=SETTINGS)
    return result or {"figures": {}, "problems": ["the run did not end"]}


if __name__ == "__main__":
    sys.exit(main())
