"""``manage.py listapikeys``: what keys there are; never the keys themselves."""

import json
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ...exceptions import JobsError
from ...models import ApiKey
from ...services.tenants.api_keys import list_api_keys
from ...services.tenants.projects import get_organization

HEADINGS = ("PREFIX", "ORGANIZATION", "PROJECT", "SCOPES", "STATE", "LAST USED", "NAME")


class Command(BaseCommand):
    help = "Lists the API keys by their prefixes, newest first, also those that are no longer valid."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument("--organization", help="only the keys of this customer")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object, nothing else")

    def handle(self, *, organization: str | None, as_json: bool, **_: Any) -> None:
        """List."""
        try:
            owner = None if organization is None else get_organization(organization)
        except JobsError as error:
            raise CommandError(str(error)) from error
        keys = list(list_api_keys(organization=owner))
        self.stdout.write(json.dumps({"data": [_shown(key) for key in keys]}) if as_json else _table(keys))


def _shown(key: ApiKey) -> dict[str, Any]:
    project: Any = key.project
    return {
        "prefix": key.prefix,
        "organization": key.organization.name,
        "projectKey": None if project is None else project.key,
        "scopes": key.scopes,
        "createdAt": _instant(key.created_at),
        "expiresAt": _instant(key.expires_at),
        "revokedAt": _instant(key.revoked_at),
        "lastUsedAt": _instant(key.last_used_at),
        "name": key.name,
    }


def _instant(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat(timespec="seconds")


def _table(keys: list[Any]) -> str:
    if not keys:
        return "There are no API keys."
    lines = [HEADINGS, *(_cells(key) for key in keys)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def _cells(key: Any) -> tuple[str, ...]:
    """``key``: with ``is_expired``, which the service adds."""
    shown = _shown(key)
    state = "valid"
    if shown["revokedAt"]:
        state = f"revoked {shown['revokedAt']}"
    elif shown["expiresAt"]:
        state = f"{'expired' if key.is_expired else 'expires'} {shown['expiresAt']}"
    return (
        shown["prefix"],
        shown["organization"],
        shown["projectKey"] or "all",
        ",".join(shown["scopes"]),
        state,
        shown["lastUsedAt"] or "never",
        shown["name"],
    )
