"""One run in its own process, on the database of ``DATABASE_URL``: ``python -m tests.system.chaos.single_run KIND``.

The last line that it prints is its result, as JSON.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import django

from tests.support.postgres import end_cleanly_on_sigterm
from tests.support.processes import run_for_result
from tests.system.chaos.outage_databases import OutageDatabase, outage_database
from tests.system.chaos.parts import PARTS
from tests.system.chaos.replication import ReplicatedPostgres, replicated_postgres
from tests.system.chaos.zone_changes import MIDNIGHTS, Clock, clocked_database

SETTINGS: Final = "tests.system.chaos.settings"
# The oldest whose workers may run beside these.
OLD_COMMIT: Final = "64d1a46"
KINDS: Final = (*PARTS, "scenario", "clocks")


def run_in_process(database_url: str, kind: str, *options: str) -> dict[str, Any]:
    result = run_for_result("-m", "tests.system.chaos.single_run", kind, *options, DATABASE_URL=database_url)
    return result or {"is_clean": False, "error": "the run did not end"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.system.chaos.single_run", description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bug", default="", help="for a scenario or clocks: the planted bug")
    parser.add_argument("--clock", default="tomorrow", help="for clocks: what is wrong with the hosts' clocks")
    parser.add_argument("--clean", action="store_true", help="for a scenario: without the bug")
    parser.add_argument("--old", default=OLD_COMMIT, help="for rolling: the commit of the old app; empty: this one")
    parser.add_argument("--directory", help="where call logs and logs go; kept, unlike the default")
    chosen = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = SETTINGS
    end_cleanly_on_sigterm()
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="jobs-chaos-", ignore_cleanup_errors=True))
        database = None
        if chosen.kind == "outages":
            database = stack.enter_context(outage_database(os.environ["DATABASE_URL"]))
            os.environ["DATABASE_URL"] = database.url
        servers: ReplicatedPostgres | Clock | None = None
        if chosen.kind in MIDNIGHTS:
            os.environ["DATABASE_URL"], servers = stack.enter_context(
                clocked_database(os.environ["DATABASE_URL"], chosen.kind)
            )
        if chosen.kind in ("failover", "asynchronous"):
            servers = stack.enter_context(replicated_postgres(synchronous=chosen.kind == "failover"))
            os.environ["DATABASE_URL"] = servers.url
        django.setup()
        from django.core.management import call_command

        call_command("migrate", run_syncdb=True, verbosity=0)
        result = run(chosen, Path(chosen.directory or directory), database or servers)
    print(json.dumps(result, default=str), flush=True)
    return 0 if result["is_clean"] else 1


def run(
    chosen: argparse.Namespace, directory: Path, database: OutageDatabase | ReplicatedPostgres | Clock | None
) -> dict[str, Any]:
    # They need the apps.
    from tests.system.chaos import bug_scenarios, failover_run, outage_run, rolling_run, wrong_clocks, zone_run

    if isinstance(database, Clock):
        return zone_run.run(directory, database, season=chosen.kind)
    if isinstance(database, ReplicatedPostgres):
        is_synchronous = chosen.kind == "failover"
        return failover_run.run(directory, database, count=chosen.count, seed=chosen.seed, synchronous=is_synchronous)
    if database:
        return outage_run.run(directory, database, count=chosen.count, seed=chosen.seed)
    if chosen.kind == "scenario":
        return bug_scenarios.run(directory, bug=chosen.bug, planted=not chosen.clean)
    if chosen.kind == "clocks":
        return wrong_clocks.run(directory, clock=chosen.clock, bug=chosen.bug)
    if chosen.kind == "rolling":
        return rolling_run.run(directory, count=chosen.count, seed=chosen.seed, old_commit=chosen.old)
    return part(chosen.kind)(directory, count=chosen.count, seed=chosen.seed)


def part(kind: str) -> Callable[..., dict[str, Any]]:
    """Return the function of a part that takes only a number and a seed."""
    from tests.system.chaos import cancel_races, celery_kills, faulty_runs, proxy_run, terminate_run, worker_faults

    runs: dict[str, Callable[..., dict[str, Any]]] = {
        "kills": worker_faults.kills,
        "matrix": worker_faults.matrix,
        "freezes": worker_faults.freezes,
        "races": cancel_races.run,
        "celery": celery_kills.kills,
        "proxy": proxy_run.run,
        "terminate": terminate_run.run,
        "gil": faulty_runs.gil,
        "loops": faulty_runs.loops,
        "residue": faulty_runs.residue,
        "forks": faulty_runs.forks,
    }
    return runs[kind]


if __name__ == "__main__":
    sys.exit(main())
