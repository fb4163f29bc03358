"""Runs of ``tests.system.chaos`` from tests: on the suite's server, on databases of their own."""

import json
import os
import subprocess
import sys
from typing import Any

from django.db import connection

from tests.support.source import ROOT


def run_part(part: str, *options: str) -> dict[str, Any]:
    """Run one part on the database that the suite runs on; return its result."""
    from tests.support.postgres import Server
    from tests.system.chaos.__main__ import new_database

    url = os.environ.get("DATABASE_URL", "")
    server = Server(url=url, version="", origin="the suite's") if connection.vendor == "postgresql" else None
    with new_database(server, connection.vendor) as database:
        environment = {**os.environ, "DATABASE_URL": database, "DJANGO_SETTINGS_MODULE": "tests.system.chaos.settings"}
        command = [sys.executable, "-m", "tests.system.chaos.part", part, *options]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    last = done.stdout.strip().rpartition("\n")[2]
    assert last.startswith("{"), f"the run did not end:\n{done.stdout}{done.stderr}"
    return dict(json.loads(last))
