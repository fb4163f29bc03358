"""The groups of support staff, and the permissions of each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from django.apps import apps
from django.db.models import Q

from ...db.connection import service_transaction
from ...exceptions import RolesUnavailable
from ...models import Job
from .projects import get_project_model

# Stands for the permission to view the host's projects, whose name depends on the model.
VIEW_PROJECT: Final = "view project"
VIEWER: Final = ("view_job", "view_jobevent", "view_organization", "view_pause", VIEW_PROJECT)
INTERVENTIONS: Final = ("cancel_job", "retry_job", "run_job", "hold_job", "add_pause", "delete_pause")
PERSONAL: Final = ("view_reference", "view_job_detail")
KEYS: Final = ("view_apikey", "add_apikey", "rotate_apikey", "revoke_apikey")

ROLES: Final[Mapping[str, Sequence[str]]] = {
    "support viewer": VIEWER,
    "support operator": (*VIEWER, *INTERVENTIONS, *PERSONAL),
    "key manager": ("view_organization", VIEW_PROJECT, *KEYS),
}


@dataclass(frozen=True, kw_only=True)
class RoleChange:
    """What changed in one group; permissions are named ``app.codename``, in alphabetical order."""

    name: str
    is_new: bool
    given: Sequence[str]
    taken: Sequence[str]


def make_roles(*, exact: bool) -> list[RoleChange]:
    """Create the groups of ``ROLES``, or add the permissions that existing ones lack; a second call changes nothing.

    Args:
        exact: also remove all other permissions. Otherwise a host's own additions stay.

    Raises:
        RolesUnavailable: ``django.contrib.auth`` is not installed, or permissions are missing from the database.
    """
    if not apps.is_installed("django.contrib.auth"):
        raise RolesUnavailable("groups need django.contrib.auth among the INSTALLED_APPS")
    with service_transaction():
        known = _permissions({each for names in ROLES.values() for each in names})
        return [_make_role(name, [known[each] for each in names], exact) for name, names in ROLES.items()]


def _make_role(name: str, wanted: Sequence[Any], exact: bool) -> RoleChange:
    groups = cast("Any", apps.get_model("auth", "Group"))
    group, is_new = groups.objects.get_or_create(name=name)
    has = {permission.pk: permission for permission in group.permissions.select_related("content_type")}
    given = [permission for permission in wanted if permission.pk not in has]
    taken = [has[pk] for pk in has.keys() - {permission.pk for permission in wanted}] if exact else []
    group.permissions.add(*given)
    group.permissions.remove(*taken)
    return RoleChange(name=name, is_new=is_new, given=_named(given), taken=_named(taken))


def _permissions(names: Iterable[str]) -> dict[str, Any]:
    """Return the permissions by our names for them."""
    project = get_project_model()._meta
    in_project = (project.app_label, f"view_{project.model_name}")
    wanted = {name: in_project if name == VIEW_PROJECT else (Job._meta.app_label, name) for name in names}
    are_wanted = Q()
    for app, codename in wanted.values():
        are_wanted |= Q(content_type__app_label=app, codename=codename)
    rows = cast("Any", apps.get_model("auth", "Permission")).objects.filter(are_wanted).select_related("content_type")
    found = {(row.content_type.app_label, row.codename): row for row in rows}
    if missing := sorted(".".join(each) for each in wanted.values() if each not in found):
        raise RolesUnavailable(f"the database has no permission {', '.join(missing)}; run migrate first")
    return {name: found[each] for name, each in wanted.items()}


def _named(permissions: Iterable[Any]) -> list[str]:
    return sorted(f"{permission.content_type.app_label}.{permission.codename}" for permission in permissions)
