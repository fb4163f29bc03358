"""The base of the commands: errors of ``jobs`` become messages, and results can be printed as JSON."""

import json
from argparse import ArgumentParser
from datetime import datetime
from typing import Any, overload

from django.core.management.base import BaseCommand, CommandError

from ..exceptions import JobsError


class JobsCommand(BaseCommand):
    """A command that reports a :class:`JobsError` in its own words, without a traceback."""

    def execute(self, *args: Any, **options: Any) -> Any:
        """Run the command."""
        try:
            return super().execute(*args, **options)
        except JobsError as error:
            raise CommandError(str(error)) from error

    def add_json_option(self, parser: ArgumentParser) -> None:
        """Add ``--json``, which :meth:`show` takes as ``as_json``."""
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object, nothing else")

    def show(self, result: dict[str, Any], text: str, *, as_json: bool) -> None:
        """Print the result as JSON, or else the text."""
        self.stdout.write(json.dumps(result) if as_json else text)

    def show_secret(self, secret: str, result: dict[str, Any], *, as_json: bool, note: str = "") -> None:
        """Print the secret of an API key: alone, so that a script can read it; the words for people go to stderr."""
        self.show({"key": secret, **result}, secret, as_json=as_json)
        if not as_json:
            self.stderr.write(f"Keep it now: it is not stored and cannot be shown again.{note}")


@overload
def to_second(value: datetime) -> str: ...
@overload
def to_second(value: datetime | None) -> str | None: ...
def to_second(value: datetime | None) -> str | None:
    """Return an instant in ISO 8601 to the second."""
    return None if value is None else value.isoformat(timespec="seconds")
