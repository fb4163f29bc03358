"""``manage.py jobdispatcher``: dispatch due jobs to the engine of ``JOBS["TASK_BACKEND"]`` until stopped."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from ...conf import current
from ...tasks import HandOverFailed
from ...workers.dispatcher import JobDispatcher
from ..base import ProcessCommand


class Command(ProcessCommand):
    """Dispatch due jobs; any number of such processes may run."""

    help = "Dispatches due jobs to the engine of JOBS['TASK_BACKEND']. SIGTERM and Ctrl-C end it within 10 s."

    def add_arguments(self, parser: ArgumentParser) -> None:
        until = parser.add_mutually_exclusive_group()
        until.add_argument("--once", action="store_true", help="dispatch what is due and fits the queues, then end")
        until.add_argument("--drain", action="store_true", help="dispatch all that is due, then end")

    def handle(self, *, once: bool, drain: bool, **_: Any) -> None:
        """Run the dispatcher; exits 3 if its supervisor is to restart it."""
        if current().task_backend is None:
            raise CommandError("JOBS['TASK_BACKEND'] names no engine; without one, jobworker runs the jobs itself")
        dispatcher = JobDispatcher(drain=drain)
        if not once:
            self.run_process(dispatcher)
            return
        try:
            dispatched = dispatcher.dispatch_once()
        except HandOverFailed as failure:
            raise CommandError(f"the engine takes no jobs: {type(failure.cause).__name__}") from failure
        self.stdout.write(f"Dispatched {dispatched} jobs.")
