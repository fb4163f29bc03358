"""Creates and finds projects; disables and enables organizations."""

from collections.abc import Iterable
from functools import cache
from typing import Any

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import IntegrityError, models, router, transaction

from ... import conf
from ...db import clock
from ...db.connection import service_transaction
from ...db.notify import notify_due
from ...exceptions import InvalidField, ProjectNotFound
from ...models import Organization
from ..validation import check_characters, check_text

MAX_NAME_CHARACTERS = 200


def get_project_model() -> type[models.Model]:
    """Return the host's Project, as ``JOBS_PROJECT_MODEL`` names it (like ``get_user_model``).

    Raises:
        ImproperlyConfigured: the setting names no installed model.
    """
    label = conf.project_model_label()
    try:
        return _model(label)
    except (ValueError, LookupError) as error:
        raise ImproperlyConfigured(f"JOBS_PROJECT_MODEL is {label!r}, which is no installed model") from error


@cache
def _model(label: str) -> type[models.Model]:
    return apps.get_model(label, require_ready=False)


def key_of(project: models.Model) -> Any:
    """Return the primary key of a project.

    Raises:
        ValueError: it is no saved project; the key of anything else, such as an organization, may be a project's too.
    """
    model = get_project_model()._meta.concrete_model or get_project_model()  # instances of a proxy's base fit too
    if not isinstance(project, model) or project.pk is None:
        raise ValueError(f"{project!r} is no saved {model._meta.label}")
    return project.pk


def public_id_of(project: models.Model) -> int:
    """Return ``projectId`` as the public API shows it: the primary key if an integer, else ``public_id``."""
    key = project.pk
    public_id: int = key if isinstance(key, int) else project.public_id  # type: ignore[attr-defined]
    return public_id


def organization_id_of(project: models.Model) -> int:
    """Return the primary key of the organization that owns ``project``."""
    organization_id: int = project.organization_id  # type: ignore[attr-defined]
    return organization_id


def create_project(name: str, *, organization: str, **fields: Any) -> models.Model:
    """Create a project, and its organization if no organization has this name.

    ``fields`` are further ones of the host's model.

    Raises:
        InvalidField: a name is blank, too long or taken, or the model requires a field that is not given.
    """
    check_text("name", name, max_characters=MAX_NAME_CHARACTERS)
    check_text("organization", organization, max_characters=MAX_NAME_CHARACTERS)
    with service_transaction():
        owner, _ = Organization.objects.get_or_create(name=organization)
        if get_project_model()._default_manager.filter(organization=owner, name=name).exists():
            raise InvalidField("name", f"{organization} has a project of this name already")
        return insert_project(organization=owner, name=name, **fields)


def insert_project(**fields: Any) -> models.Model:
    """Insert a project of the host's model.

    Raises:
        InvalidField: a field that the model requires was not given, and neither the model nor its ``save`` set it.
    """
    model = get_project_model()
    required = [field for field in model._meta.concrete_fields if _is_required(field)]
    try:
        with transaction.atomic(using=router.db_for_write(model)):
            project = model._default_manager.create(**fields)
            lacking = [field.name for field in required if getattr(project, field.attname) in (None, "")]
            if not lacking:
                return project
            raise IntegrityError
    except (IntegrityError, ValueError) as error:  # the second: a `save` of the host's misses a relation
        lacking = [field.name for field in required if field.name not in fields and field.attname not in fields]
        if not lacking:
            raise
        problem = f"is required by {model._meta.label}; give it with the other fields"
        raise InvalidField(", ".join(lacking), problem) from error


def _is_required(field: Any) -> bool:
    is_made = field.primary_key or field.has_default() or field.has_db_default() or field.generated
    return not (is_made or field.null or field.blank)


def parse_project_fields(texts: Iterable[str]) -> dict[str, Any]:
    """Return fields of the host's project, each written ``slug=web-shop``; a relation by its primary key: ``owner=7``.

    Raises:
        InvalidField: there is no such field, or it refuses the value.
    """
    model = get_project_model()
    found = {field.name: field for field in model._meta.concrete_fields}
    parsed: dict[str, Any] = {}
    for name, _, text in (each.partition("=") for each in texts):
        if name not in found:
            raise InvalidField(name, f"is no field of {model._meta.label}")
        try:
            parsed[found[name].attname] = found[name].clean(text, None)
        except ValidationError as error:
            raise InvalidField(name, " ".join(error.messages)) from error
    return parsed


def get_organization(name: str) -> Organization:
    """Return an organization by its name.

    Raises:
        InvalidField: there is none of this name.
    """
    found = Organization.objects.filter(name=name).first()
    if found is None:
        raise InvalidField("organization", f"there is none called {name!r}")
    return found


def disable_organization(name: str) -> Organization:
    """Disable an organization: its API keys are refused from the next request on, its jobs are not claimed.

    Jobs that a worker has claimed by then go on. No job changes its status or its times.
    Disabling it again changes nothing.

    Raises:
        InvalidField: there is none of this name.
    """
    Organization.objects.filter(name=name, disabled_at=None).update(disabled_at=clock.NOW)
    return get_organization(name)


def enable_organization(name: str) -> bool:
    """Enable a disabled organization again, and wake the workers; False: it was not disabled.

    Raises:
        InvalidField: there is none of this name.
    """
    found = get_organization(name)
    with service_transaction():
        was_disabled = Organization.objects.filter(pk=found.pk, disabled_at__isnull=False).update(disabled_at=None) > 0
        if was_disabled:
            notify_due()
    return was_disabled


def get_project(key: str, *, organization: Organization) -> models.Model:
    """Return the organization's project of this key.

    Raises:
        ProjectNotFound: it has none, also if another organization has one.
    """
    found = find_project(key, organization=organization)
    if found is None:
        raise ProjectNotFound
    return found


def find_project(key: str, *, organization: Organization) -> models.Model | None:
    """Return the organization's project of this key; None: it has none, or the text cannot be a key."""
    try:
        check_characters("key", key)
        return get_project_model()._default_manager.filter(organization=organization, key=key).first()
    except (InvalidField, ValidationError):
        return None


def get_project_by_key(key: str) -> models.Model:
    """Return the project of this key, of any organization: for staff, not for callers of the API.

    Raises:
        ProjectNotFound: there is none.
    """
    found = get_project_model()._default_manager.filter(key=key).first()
    if found is None:
        raise ProjectNotFound
    return found
