"""``manage.py jobworker``: run due jobs until stopped."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from ...db.connection import jobs_connection, supports_row_locks
from ...processes.supervisor import Supervisor
from ...workers.worker import JobWorker
from ..base import ProcessCommand


class Command(ProcessCommand):
    """Claim due jobs and run them on threads; any number of such processes may run."""

    help = "Runs due jobs. SIGTERM and Ctrl-C release running jobs and end it within 10 s; a second one at once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--threads", type=int, default=4, help="how many jobs a process runs at once (default: 4)")
        parser.add_argument("--processes", type=int, default=1, help="how many processes, by a parent (default: 1)")
        parser.add_argument("--drain", action="store_true", help="run what is due, then end")

    def handle(self, *, threads: int, processes: int, drain: bool, **_: Any) -> None:
        """Run the worker or workers; exits 3 if its supervisor is to restart it."""
        if not 1 <= threads <= 100:
            raise CommandError("--threads takes a number from 1 to 100")
        if not 1 <= processes <= 100:
            raise CommandError("--processes takes a number from 1 to 100")
        if processes == 1:
            self.run_process(JobWorker(threads=threads, drain=drain))
            return
        if not supports_row_locks(jobs_connection()):
            raise CommandError(
                "--processes needs PostgreSQL: on SQLite one process writes at a time, so one is fastest"
            )

        def run_child(stop: int) -> None:
            worker = JobWorker(threads=threads, drain=drain)
            worker.stop_when_closed(stop)
            self.run_process(worker)

        if status := Supervisor(run_child, count=processes, drain=drain).run():
            sys.exit(status)
