"""``manage.py enableorganization``: let a customer's keys and jobs go on."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ...exceptions import JobsError
from ...services.tenants.projects import enable_organization


class Command(BaseCommand):
    help = "Enables an organization again: its API keys work as before, its jobs are claimed when they are due."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument("name", help="the name of the customer")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object, nothing else")

    def handle(self, *, name: str, as_json: bool, **_: Any) -> None:
        """Enable and confirm."""
        try:
            was_disabled = enable_organization(name)
        except JobsError as error:
            raise CommandError(str(error)) from error
        if as_json:
            self.stdout.write(json.dumps({"organization": name, "wasDisabled": was_disabled}))
        else:
            self.stdout.write(f"{name} is enabled." if was_disabled else f"Nothing to enable: {name} was not disabled.")
