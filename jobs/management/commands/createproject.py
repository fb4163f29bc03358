"""``manage.py createproject``: make a project, and its organization if that is new."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ...exceptions import JobsError
from ...services.tenants.projects import create_project, public_id_of


class Command(BaseCommand):
    help = "Creates a project, and its organization if that is new; prints projectId and projectKey."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument("name", help="what people call the project")
        parser.add_argument("--organization", required=True, help="the name of the customer that owns it")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object, nothing else")

    def handle(self, *, name: str, organization: str, as_json: bool, **_: Any) -> None:
        """Create and print."""
        try:
            project: Any = create_project(name, organization=organization)
        except JobsError as error:
            raise CommandError(str(error)) from error
        made = {
            "projectId": public_id_of(project),
            "projectKey": project.key,
            "name": name,
            "organization": organization,
        }
        if as_json:
            self.stdout.write(json.dumps(made))
        else:
            self.stdout.write(f"projectId:  {made['projectId']}\nprojectKey: {made['projectKey']}")
