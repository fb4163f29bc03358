"""``manage.py createroles``: creates the groups of support staff, or adds the permissions that they lack."""

from argparse import ArgumentParser
from typing import Any

from ...services.tenants.roles import RoleChange, make_roles
from ..base import JobsCommand


class Command(JobsCommand):
    help = "Makes the groups 'support viewer', 'support operator' and 'key manager', or gives them what they lack."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--exact", action="store_true", help="also take away what these groups have beyond their role"
        )
        self.add_json_option(parser)

    def handle(self, *, exact: bool, **_: Any) -> None:
        changes = make_roles(exact=exact)
        result = {role.name: {"new": role.is_new, "given": role.given, "taken": role.taken} for role in changes}
        self.show(result, "\n".join(f"{role.name}: {_describe(role)}" for role in changes))


def _describe(role: RoleChange) -> str:
    parts = ["made"] if role.is_new else []
    parts += [f"given {', '.join(role.given)}"] if role.given else []
    parts += [f"taken {', '.join(role.taken)}"] if role.taken else []
    return "; ".join(parts) or "as it should be"
