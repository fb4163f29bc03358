"""``manage.py createapikey``: make an API key and show it, this once."""

import json
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ...exceptions import JobsError
from ...models import SCOPES
from ...services.tenants.api_keys import create_api_key
from ...services.tenants.projects import get_organization, get_project


class Command(BaseCommand):
    help = "Creates an API key of an organization and prints it. It is not stored and cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument("--organization", required=True, help="the name of the customer that will use it")
        parser.add_argument("--name", default="", help="what people call the key")
        parser.add_argument("--project", metavar="KEY", help="a projectKey: the key opens that project only")
        parser.add_argument("--scopes", default=",".join(SCOPES), help="comma list, default: %(default)s")
        parser.add_argument("--expires-in", type=int, metavar="DAYS", help="days until it expires; default: never")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object, nothing else")

    def handle(
        self,
        *,
        organization: str,
        name: str,
        project: str | None,
        scopes: str,
        expires_in: int | None,
        as_json: bool,
        **_: Any,
    ) -> None:
        """Create and print."""
        try:
            owner = get_organization(organization)
            made = create_api_key(
                organization=owner,
                project=None if project is None else get_project(project, organization=owner),
                name=name,
                scopes=[scope.strip() for scope in scopes.split(",") if scope.strip()],
                lifetime=None if expires_in is None else _days(expires_in),
            )
        except JobsError as error:
            raise CommandError(str(error)) from error
        key = made.key
        shown = {
            "key": made.secret,
            "prefix": key.prefix,
            "name": key.name,
            "organization": owner.name,
            "projectKey": project,
            "scopes": key.scopes,
            "expiresAt": None if key.expires_at is None else key.expires_at.isoformat(timespec="seconds"),
        }
        if as_json:
            self.stdout.write(json.dumps(shown))
            return
        self.stdout.write(made.secret)
        self.stderr.write("Keep it now: it is not stored and cannot be shown again.")


def _days(number: int) -> timedelta:
    try:
        return timedelta(days=number)
    except OverflowError:
        raise CommandError("--expires-in takes a number of days from 1 to 36500") from None
