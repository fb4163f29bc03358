"""``manage.py disableorganization``: shut a customer out, and hold its jobs, for the time being."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ...exceptions import JobsError
from ...services.tenants.projects import disable_organization


class Command(BaseCommand):
    help = "Disables an organization: its API keys open nothing, its jobs are not claimed; running jobs go on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument("name", help="the name of the customer")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object, nothing else")

    def handle(self, *, name: str, as_json: bool, **_: Any) -> None:
        """Disable and confirm."""
        try:
            organization = disable_organization(name)
        except JobsError as error:
            raise CommandError(str(error)) from error
        since = organization.disabled_at.isoformat(timespec="seconds") if organization.disabled_at else None
        if as_json:
            self.stdout.write(json.dumps({"organization": organization.name, "disabledAt": since}))
        else:
            self.stdout.write(f"{organization.name} is disabled since {since}. Running jobs go on.")
