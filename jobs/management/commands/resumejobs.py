"""``manage.py resumejobs``: lifts a pause, or all pauses."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from ...services.commands.pauses import list_pauses, name_of_scope, resume_all_jobs, resume_jobs, scope_of
from ...services.tenants.projects import get_project_by_key
from ..base import JobsCommand


class Command(JobsCommand):
    help = "Lifts the pause of exactly this action and project, and tells which are still in force."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--action", help="as given to pausejobs")
        parser.add_argument("--project", metavar="KEY", help="as given to pausejobs")
        parser.add_argument("--all", action="store_true", dest="lift_all", help="lift every pause")

    def handle(self, *, action: str | None, project: str | None, lift_all: bool, **_: Any) -> None:
        if lift_all and (action or project):
            raise CommandError("--all lifts every pause; leave --action and --project out")
        if lift_all:
            self.stdout.write(f"Lifted {resume_all_jobs()} pauses.")
            return
        found = None if project is None else get_project_by_key(project)
        scope = name_of_scope(action, project)
        was_paused = resume_jobs(action=action, project=found)
        self.stdout.write(f"Resumed {scope}." if was_paused else f"Nothing to resume: {scope} was not paused.")
        for pause in list_pauses():
            self.stdout.write(f"Still paused: {scope_of(pause)} – {pause.reason}")
