"""``manage.py enableorganization``: enables a disabled customer again."""

from argparse import ArgumentParser
from typing import Any

from ...services.tenants.projects import enable_organization
from ..base import JobsCommand


class Command(JobsCommand):
    help = "Enables an organization again: its API keys work as before, its jobs are claimed when they are due."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the name of the customer")
        self.add_json_option(parser)

    def handle(self, *, name: str, **_: Any) -> None:
        was_disabled = enable_organization(name)
        text = f"{name} is enabled." if was_disabled else f"Nothing to enable: {name} was not disabled."
        self.show({"organization": name, "wasDisabled": was_disabled}, text)
