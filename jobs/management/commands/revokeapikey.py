"""``manage.py revokeapikey``: end an API key, from its next request on."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ...exceptions import JobsError
from ...services.tenants.api_keys import revoke_api_key


class Command(BaseCommand):
    help = "Revokes an API key, from its next request on; revoking it again changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument("prefix", help="the first characters of the key, as listapikeys shows them")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object, nothing else")

    def handle(self, *, prefix: str, as_json: bool, **_: Any) -> None:
        """Revoke and confirm."""
        try:
            key = revoke_api_key(prefix)
        except JobsError as error:
            raise CommandError(str(error)) from error
        revoked_at = key.revoked_at.isoformat(timespec="seconds") if key.revoked_at else None
        if as_json:
            self.stdout.write(json.dumps({"prefix": key.prefix, "revokedAt": revoked_at}))
        else:
            self.stdout.write(f"{key.prefix} of {key.organization} is revoked since {revoked_at}.")
