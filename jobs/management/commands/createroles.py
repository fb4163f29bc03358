"""``manage.py createroles``: make the groups of support staff, or give them what they lack."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ...exceptions import JobsError
from ...services.tenants.roles import RoleChange, make_roles


class Command(BaseCommand):
    help = "Makes the groups 'support viewer', 'support operator' and 'key manager', or gives them what they lack."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument(
            "--exact", action="store_true", help="also take away what these groups have beyond their role"
        )
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object, nothing else")

    def handle(self, *, exact: bool, as_json: bool, **_: Any) -> None:
        """Make them, and say what changed."""
        try:
            changes = make_roles(take_others=exact)
        except JobsError as error:
            raise CommandError(str(error)) from error
        if as_json:
            told = {role.name: {"new": role.is_new, "given": role.given, "taken": role.taken} for role in changes}
            self.stdout.write(json.dumps(told))
            return
        for role in changes:
            self.stdout.write(f"{role.name}: {_told(role)}")


def _told(role: RoleChange) -> str:
    parts = ["made"] if role.is_new else []
    parts += [f"given {', '.join(role.given)}"] if role.given else []
    parts += [f"taken {', '.join(role.taken)}"] if role.taken else []
    return "; ".join(parts) or "as it should be"
