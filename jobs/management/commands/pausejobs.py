"""``manage.py pausejobs``: pauses the jobs of an action, a project, both or all."""

from argparse import ArgumentParser
from typing import Any

from ...services.commands.pauses import name_of_scope, pause_jobs
from ...services.tenants.projects import get_project_by_key
from ..base import JobsCommand, to_second


class Command(JobsCommand):
    help = "Pauses jobs from the next claim on, those of an action, a project, both or all; running jobs go on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--action", help="of this action only")
        parser.add_argument("--project", metavar="KEY", help="of the project with this projectKey only")
        parser.add_argument(
            "--reason", required=True, help="a sentence for colleagues, shown by jobhealth; no personal data, please"
        )

    def handle(self, *, action: str | None, project: str | None, reason: str, **_: Any) -> None:
        found = None if project is None else get_project_by_key(project)
        pause = pause_jobs(action=action, project=found, reason=reason)
        since = to_second(pause.created_at)
        self.stdout.write(f"Paused {name_of_scope(action, project)} since {since}. Running jobs go on.")
