"""``manage.py rotateapikey``: replace an API key while the old one goes on working for a while."""

import json
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ...exceptions import JobsError
from ...services.tenants.api_keys import list_api_keys, rotate_api_key


class Command(BaseCommand):
    help = "Makes a key that replaces another one and prints it. It is not stored and cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument("prefix", help="the first characters of the old key, as listapikeys shows them")
        parser.add_argument(
            "--overlap-hours",
            type=float,
            default=24,
            metavar="HOURS",
            help="how long the old key goes on working, default: %(default)s",
        )
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object, nothing else")

    def handle(self, *, prefix: str, overlap_hours: float, as_json: bool, **_: Any) -> None:
        """Rotate and print."""
        try:
            made = rotate_api_key(prefix, overlap=_hours(overlap_hours))
        except JobsError as error:
            raise CommandError(str(error)) from error
        key = made.key
        old = list_api_keys(organization=key.organization).get(prefix=prefix)
        until = old.expires_at.isoformat(timespec="seconds") if old.expires_at else None
        if as_json:
            expires_at = None if key.expires_at is None else key.expires_at.isoformat(timespec="seconds")
            shown = {"key": made.secret, "prefix": key.prefix, "expiresAt": expires_at}
            self.stdout.write(json.dumps({**shown, "replaces": prefix, "replacedExpiresAt": until}))
            return
        self.stdout.write(made.secret)
        self.stderr.write("Keep it now: it is not stored and cannot be shown again.")
        self.stderr.write(f"{prefix} goes on working until {until}.")


def _hours(number: float) -> timedelta:
    try:
        return timedelta(hours=number)
    except (OverflowError, ValueError):
        raise CommandError("--overlap-hours takes a number of hours from 0 to 8760") from None
