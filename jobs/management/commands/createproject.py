"""``manage.py createproject``: creates a project, and its organization if that is new."""

from argparse import ArgumentParser
from typing import Any

from ...services.tenants.projects import create_project, parse_project_fields, public_id_of
from ..base import JobsCommand


class Command(JobsCommand):
    help = "Creates a project, and its organization if that is new; prints projectId and projectKey."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="what people call the project")
        parser.add_argument("--organization", required=True, help="the name of the customer that owns it")
        parser.add_argument(
            "--field",
            action="append",
            default=[],
            dest="fields",
            metavar="NAME=VALUE",
            help="a further field of your project model; a relation by its primary key; may be repeated",
        )
        self.add_json_option(parser)

    def handle(self, *, name: str, organization: str, fields: list[str], **_: Any) -> None:
        project: Any = create_project(name, organization=organization, **parse_project_fields(fields))
        result = {"projectId": public_id_of(project), "projectKey": project.key}
        text = "projectId:  {projectId}\nprojectKey: {projectKey}".format(**result)
        self.show({**result, "name": name, "organization": organization}, text)
