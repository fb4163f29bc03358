"""One part of a run in one process, on the database of ``DATABASE_URL``: ``python -m tests.system.chaos.part NAME …``.

The last line that it prints is its result, as JSON.
"""

import argparse
import json
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import django

from tests.support.postgres import end_cleanly_on_sigterm
from tests.system.chaos.suffering import Suffering, suffering_database

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.system.chaos.settings"


def main() -> int:
    """Run one part; return 0 if its result was kept free of findings."""
    parser = argparse.ArgumentParser(prog="tests.system.chaos.part", description=__doc__)
    parser.add_argument(
        "part", choices=("kills", "matrix", "freezes", "races", "outages", "celery", "scenario", "clocks")
    )
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bug", default="", help="for a scenario, or under a wrong clock: the planted bug")
    parser.add_argument("--clock", default="tomorrow", help="for clocks: what is wrong with the hosts'")
    parser.add_argument("--clean", action="store_true", help="for a scenario: without the bug")
    parser.add_argument("--directory", help="where records and logs go; kept, unlike the default")
    chosen = parser.parse_args()
    end_cleanly_on_sigterm()
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="jobs-chaos-", ignore_cleanup_errors=True))
        suffering = None
        if chosen.part == "outages":
            suffering = stack.enter_context(suffering_database(os.environ["DATABASE_URL"]))
            os.environ["DATABASE_URL"] = suffering.url
        django.setup()
        migrate()
        result = run(chosen, Path(chosen.directory or directory), suffering)
    print(json.dumps(result, default=str), flush=True)
    return 0 if result["is_clean"] else 1


def run(chosen: argparse.Namespace, directory: Path, suffering: Suffering | None) -> dict[str, Any]:
    """Run the part that was asked for."""
    from tests.system.chaos import clocks, engine, outages, races, runs, scenarios  # they need the apps

    if suffering:
        return outages.run(directory, suffering, count=chosen.count, seed=chosen.seed)

    if chosen.part == "kills":
        return runs.kills(directory, count=chosen.count, seed=chosen.seed)
    if chosen.part == "celery":
        return engine.kills(directory, count=chosen.count, seed=chosen.seed)
    if chosen.part == "matrix":
        return runs.matrix(directory, repeats=chosen.count, seed=chosen.seed)
    if chosen.part == "freezes":
        return runs.freezes(directory, count=chosen.count, seed=chosen.seed)
    if chosen.part == "races":
        return races.run(count=chosen.count, seed=chosen.seed)
    if chosen.part == "clocks":
        return clocks.run(directory, clock=chosen.clock, bug=chosen.bug)
    return scenarios.run(directory, bug=chosen.bug, planted=not chosen.clean)


def migrate() -> None:
    """Make the tables."""
    from django.core.management import call_command

    call_command("migrate", run_syncdb=True, verbosity=0)


if __name__ == "__main__":
    sys.exit(main())
