"""``manage.py jobworker``: run due jobs until stopped."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from ...workers.worker import JobWorker
from ..base import ProcessCommand


class Command(ProcessCommand):
    """Claim due jobs and run them on threads; any number of such processes may run."""

    help = "Runs due jobs. SIGTERM and Ctrl-C release running jobs and end it within 10 s; a second one at once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--threads", type=int, default=4, help="how many jobs run at once (default: 4)")
        parser.add_argument("--drain", action="store_true", help="run what is due, then end")

    def handle(self, *, threads: int, drain: bool, **_: Any) -> None:
        """Run the worker; exits 3 if its supervisor is to restart it."""
        if not 1 <= threads <= 100:
            raise CommandError("--threads takes a number from 1 to 100")
        self.run_process(JobWorker(threads=threads, drain=drain))
