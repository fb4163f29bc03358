"""``manage.py rotateapikey``: replaces an API key by a new one; the old one works for a while longer."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError

from ...services.tenants.api_keys import list_api_keys, rotate_api_key
from ..base import JobsCommand, to_second


class Command(JobsCommand):
    help = "Makes a key that replaces another one and prints it. It is not stored and cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("prefix", help="the first characters of the old key, as listapikeys shows them")
        parser.add_argument(
            "--overlap-hours",
            type=float,
            default=24,
            metavar="HOURS",
            help="how long the old key goes on working, default: %(default)s",
        )
        self.add_json_option(parser)

    def handle(self, *, prefix: str, overlap_hours: float, **_: Any) -> None:
        made = rotate_api_key(prefix, overlap=_hours(overlap_hours))
        key = made.key
        until = to_second(list_api_keys(organization=key.organization).get(prefix=prefix).expires_at)
        result = {"prefix": key.prefix, "expiresAt": to_second(key.expires_at)}
        result |= {"replaces": prefix, "replacedExpiresAt": until}
        self.show_secret(made.secret, result, note=f"\n{prefix} goes on working until {until}.")


def _hours(number: float) -> timedelta:
    try:
        return timedelta(hours=number)
    except (OverflowError, ValueError):
        raise CommandError("--overlap-hours takes a number of hours from 0 to 8760") from None
