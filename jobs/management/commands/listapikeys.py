"""``manage.py listapikeys``: lists the API keys by their prefixes."""

from argparse import ArgumentParser
from typing import Any

from ...models import ApiKey
from ...services.tenants.api_keys import list_api_keys
from ...services.tenants.projects import get_organization
from ..base import JobsCommand, to_second

HEADINGS = ("PREFIX", "ORGANIZATION", "PROJECT", "SCOPES", "STATE", "LAST USED", "NAME")


class Command(JobsCommand):
    help = "Lists the API keys by their prefixes, newest first, also those that are no longer valid."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organization", help="only the keys of this customer")
        self.add_json_option(parser)

    def handle(self, *, organization: str | None, **_: Any) -> None:
        owner = None if organization is None else get_organization(organization)
        keys = list(list_api_keys(organization=owner))
        self.show({"data": [_shown(key) for key in keys]}, _table(keys))


def _shown(key: ApiKey) -> dict[str, Any]:
    project: Any = key.project
    return {
        "prefix": key.prefix,
        "organization": key.organization.name,
        "projectKey": None if project is None else project.key,
        "scopes": key.scopes,
        "createdAt": to_second(key.created_at),
        "expiresAt": to_second(key.expires_at),
        "revokedAt": to_second(key.revoked_at),
        "lastUsedAt": to_second(key.last_used_at),
        "name": key.name,
    }


def _table(keys: list[Any]) -> str:
    if not keys:
        return "There are no API keys."
    lines = [HEADINGS, *(_cells(key) for key in keys)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def _cells(key: Any) -> tuple[str, ...]:
    """Return the cells of a line; ``key`` has ``is_expired``, which the service adds."""
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
