"""``manage.py createapikey``: creates an API key and prints it, this once."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError

from ...models import SCOPES
from ...services.tenants.api_keys import create_api_key
from ...services.tenants.projects import get_organization, get_project
from ..base import JobsCommand, to_second


class Command(JobsCommand):
    help = "Creates an API key of an organization and prints it. It is not stored and cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organization", required=True, help="the name of the customer that will use it")
        parser.add_argument("--name", default="", help="what people call the key")
        parser.add_argument("--project", metavar="KEY", help="a projectKey: the key opens that project only")
        parser.add_argument("--scopes", default=",".join(SCOPES), help="comma list, default: %(default)s")
        parser.add_argument("--expires-in", type=int, metavar="DAYS", help="days until it expires; default: never")
        self.add_json_option(parser)

    def handle(
        self, *, organization: str, name: str, project: str | None, scopes: str, expires_in: int | None, **_: Any
    ) -> None:
        owner = get_organization(organization)
        made = create_api_key(
            organization=owner,
            project=None if project is None else get_project(project, organization=owner),
            name=name,
            scopes=[scope.strip() for scope in scopes.split(",") if scope.strip()],
            lifetime=None if expires_in is None else _days(expires_in),
        )
        key = made.key
        result = {
            "prefix": key.prefix,
            "name": key.name,
            "organization": owner.name,
            "projectKey": project,
            "scopes": key.scopes,
            "expiresAt": to_second(key.expires_at),
        }
        self.show_secret(made.secret, result)


def _days(number: int) -> timedelta:
    try:
        return timedelta(days=number)
    except OverflowError:
        raise CommandError("--expires-in takes a number of days from 1 to 36500") from None
