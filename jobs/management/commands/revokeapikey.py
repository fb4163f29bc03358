"""``manage.py revokeapikey``: revokes an API key, so that its next request is refused."""

from argparse import ArgumentParser
from typing import Any

from ...services.tenants.api_keys import revoke_api_key
from ..base import JobsCommand, to_second


class Command(JobsCommand):
    help = "Revokes an API key, from its next request on; revoking it again changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("prefix", help="the first characters of the key, as listapikeys shows them")
        self.add_json_option(parser)

    def handle(self, *, prefix: str, **_: Any) -> None:
        key = revoke_api_key(prefix)
        revoked_at = to_second(key.revoked_at)
        text = f"{key.prefix} of {key.organization} is revoked since {revoked_at}."
        self.show({"prefix": key.prefix, "revokedAt": revoked_at}, text)
