"""``manage.py disableorganization``: refuses a customer's API keys, and keeps its jobs from being claimed."""

from argparse import ArgumentParser
from typing import Any

from ...services.tenants.projects import disable_organization
from ..base import JobsCommand, to_second


class Command(JobsCommand):
    help = "Disables an organization: its API keys open nothing, its jobs are not claimed; running jobs go on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the name of the customer")
        self.add_json_option(parser)

    def handle(self, *, name: str, **_: Any) -> None:
        organization = disable_organization(name)
        since = to_second(organization.disabled_at)
        text = f"{organization.name} is disabled since {since}. Running jobs go on."
        self.show({"organization": organization.name, "disabledAt": since}, text)
