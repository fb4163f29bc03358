"""``manage.py demo``: prepares a site with example data, and serves it."""

from argparse import ArgumentParser
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from jobsite.demo import DatabaseInUse, Prepared, describe, prepare
from jobsite.serve import NoFreePort, ServiceEnded, address_of, listen, serve, told_to_stop


class Command(BaseCommand):
    """Prepare the database, then run the site and a worker until Ctrl-C."""

    help = "Fills the database with a demo and serves it, with a worker, until Ctrl-C. May be repeated."
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--prepare-only", action="store_true", help="fill the database, print, and end")
        parser.add_argument("--port", type=int, default=8000, help="the first port to try (default: 8000)")
        parser.add_argument(
            "--sessions", type=int, default=200_000, help="recorded sessions to make up (default: 200000)"
        )

    def handle(self, *, prepare_only: bool, port: int, sessions: int, **_: Any) -> None:
        """Prepare and serve; preparing can be stopped at any time, and the next run goes on."""
        if not 100 <= sessions <= 10_000_000:
            raise CommandError("--sessions takes a number from 100 to 10000000")
        if not 1 <= port <= 65_535:
            raise CommandError("--port takes a number from 1 to 65535")
        try:
            prepared = self._prepare(sessions)
        except KeyboardInterrupt:
            self._say("Stopped before everything was prepared; the next run goes on from here.")
            return
        if prepare_only:
            self._say(describe(prepared, address=f"http://127.0.0.1:{port}"))
        else:
            self._serve(prepared, port)

    def _prepare(self, sessions: int) -> Prepared:
        self._say(f"Database: {connection.vendor}, {connection.settings_dict['NAME']}")
        call_command("migrate", verbosity=0, interactive=False)
        try:
            return prepare(sessions=sessions, say=self._say)
        except DatabaseInUse:
            raise CommandError("This database is in use: it has organizations, but none called Demo.") from None

    def _serve(self, prepared: Prepared, port: int) -> None:
        # The site and the worker have their own.
        connection.close()
        try:
            with told_to_stop() as stopping, listen(port) as listener:
                text = describe(prepared, address=address_of(listener))
                serve(
                    listener,
                    project_key=prepared.project_key,
                    ready=lambda: self._say(text),
                    stopping=stopping,
                )
        except (NoFreePort, ServiceEnded) as error:
            raise CommandError(str(error)) from error
        self._say("Stopped.")

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        # At once, also if the output is not a terminal.
        self.stdout.flush()
