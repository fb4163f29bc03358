"""One run in its own process, on the database of ``DATABASE_URL``: ``python -m tests.system.chaos.single_run KIND``.

The last line that it prints is its result, as JSON.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import django

from tests.support.postgres import end_cleanly_on_sigterm
from tests.support.source import ROOT
from tests.system.chaos.outage_databases import OutageDatabase, outage_database

SETTINGS: Final = "tests.system.chaos.settings"
KINDS: Final = ("kills", "matrix", "freezes", "races", "outages", "celery", "scenario", "clocks")


def run_in_process(database_url: str, kind: str, *options: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.system.chaos.single_run", kind, *options]
    environment = {**os.environ, "DATABASE_URL": database_url}
    last = ""
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            for line in process.stdout or ():
                last = line
                if not line.startswith("{"):
                    print(line, end="", flush=True)
        finally:
            process.terminate()
    if last.startswith("{"):
        return dict(json.loads(last))
    return {"is_clean": False, "error": "the run did not end"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.system.chaos.single_run", description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bug", default="", help="for a scenario or clocks: the planted bug")
    parser.add_argument("--clock", default="tomorrow", help="for clocks: what is wrong with the hosts' clocks")
    parser.add_argument("--clean", action="store_true", help="for a scenario: without the bug")
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
        django.setup()
        from django.core.management import call_command

        call_command("migrate", run_syncdb=True, verbosity=0)
        result = run(chosen, Path(chosen.directory or directory), database)
    print(json.dumps(result, default=str), flush=True)
    return 0 if result["is_clean"] else 1


def run(chosen: argparse.Namespace, directory: Path, database: OutageDatabase | None) -> dict[str, Any]:
    # They need the apps.
    from tests.system.chaos import bug_scenarios, cancel_races, celery_kills, outage_run, worker_faults, wrong_clocks

    if database:
        return outage_run.run(directory, database, count=chosen.count, seed=chosen.seed)
    if chosen.kind == "scenario":
        return bug_scenarios.run(directory, bug=chosen.bug, planted=not chosen.clean)
    if chosen.kind == "clocks":
        return wrong_clocks.run(directory, clock=chosen.clock, bug=chosen.bug)
    runs = {
        "kills": worker_faults.kills,
        "matrix": worker_faults.matrix,
        "freezes": worker_faults.freezes,
        "races": cancel_races.run,
        "celery": celery_kills.kills,
    }
    return runs[chosen.kind](directory, count=chosen.count, seed=chosen.seed)


if __name__ == "__main__":
    sys.exit(main())
