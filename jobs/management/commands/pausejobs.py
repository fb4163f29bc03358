"""``manage.py pausejobs``: let no further job be claimed, of an action, a project, both or at all."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ...exceptions import JobsError
from ...services.commands.pauses import name_of_scope, pause_jobs
from ...services.tenants.projects import get_project_by_key


class Command(BaseCommand):
    help = "Pauses jobs from the next claim on, those of an action, a project, both or all; running jobs go on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument("--action", help="of this action only")
        parser.add_argument("--project", metavar="KEY", help="of the project with this projectKey only")
        parser.add_argument(
            "--reason", required=True, help="a sentence for colleagues, shown by jobhealth; no personal data, please"
        )

    def handle(self, *, action: str | None, project: str | None, reason: str, **_: Any) -> None:
        """Pause and confirm."""
        try:
            found = None if project is None else get_project_by_key(project)
            pause = pause_jobs(action=action, project=found, reason=reason)
        except JobsError as error:
            raise CommandError(str(error)) from error
        since = pause.created_at.isoformat(timespec="seconds")
        self.stdout.write(f"Paused {name_of_scope(action, project)} since {since}. Running jobs go on.")
