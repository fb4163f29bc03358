"""The base of the commands: errors of ``jobs`` become messages, and results can be printed as JSON."""

import json
from argparse import ArgumentParser
from datetime import datetime
from typing import Any, overload

from django.core.management.base import BaseCommand, CommandError

from ..exceptions import JobsError
from ..logging import reported_without_values
from ..processes.process import CommandProcess
from ..processes.watchdog import WATCHDOG


class JobsCommand(BaseCommand):
    """A command that reports a :class:`JobsError` in its own words, without a traceback."""

    as_json = False
    """Whether ``--json`` was given."""

    def execute(self, *args: Any, **options: Any) -> Any:
        self.as_json = options.get("as_json", False)
        with reported_without_values():
            try:
                return super().execute(*args, **options)
            except JobsError as error:
                raise CommandError(str(error)) from error

    def add_json_option(self, parser: ArgumentParser) -> None:
        """Add ``--json``, which :meth:`show` obeys."""
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object, nothing else")

    def show(self, result: dict[str, Any], text: str) -> None:
        """Print the text or, with ``--json``, the result."""
        self.stdout.write(json.dumps(result) if self.as_json else text)

    def show_secret(self, secret: str, result: dict[str, Any], *, note: str = "") -> None:
        """Print the secret of an API key: alone, so that a script can read it; the words for people go to stderr."""
        self.show({"key": secret, **result}, secret)
        if not self.as_json:
            self.stderr.write(f"Keep it now: it is not stored and cannot be shown again.{note}")


class ProcessCommand(BaseCommand):
    """A command that is a long-running process."""

    is_whole_process = False

    def run_from_argv(self, argv: list[str]) -> None:
        """Run from a command line, where the process is the command's; ``call_command`` may run in a host's process."""
        self.is_whole_process = True
        super().run_from_argv(argv)

    def run_process(self, process: CommandProcess) -> None:
        """Run it until it is stopped; what lives on in the process afterwards is ended, too."""
        WATCHDOG.may_end_process = self.is_whole_process
        with reported_without_values():
            process.run_as_command()


@overload
def to_second(value: datetime) -> str: ...
@overload
def to_second(value: datetime | None) -> str | None: ...
def to_second(value: datetime | None) -> str | None:
    """Return an instant in ISO 8601 to the second."""
    return None if value is None else value.isoformat(timespec="seconds")
