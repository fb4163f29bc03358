"""Checks of the host's project model, and of the migrations that create it."""

import re
from collections.abc import Collection
from typing import Any, Final

from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.db.migrations.exceptions import CircularDependencyError
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import AddField, CreateModel

from .. import conf
from ..db.connection import jobs_connection
from ..models import Job, Organization
from ..services.tenants.projects import get_project_model
from .databases import has_table

# The migration whose foreign keys point at the host's project.
NEEDS_PROJECT: Final = ("jobs", "0002_jobs")
# A migration of this app in Django's message about a circle; it may be a later one that needs the project.
OUR_MIGRATION: Final = re.compile(r"\bjobs\.[0-9]{4}_")


@register("jobs")
def check_project_model(**_: Any) -> list[CheckMessage]:
    """Refuse a project model without the fields that jobs need (``jobs.E002``)."""
    try:
        model = get_project_model()
    except ImproperlyConfigured as error:
        return [Error(str(error), hint="Name it like 'shop.Project', and install its app.", id="jobs.E002")]
    missing = []
    organization = _find_field(model, "organization")
    if organization is None or organization.related_model is not Organization:
        missing.append("organization = ForeignKey('jobs.Organization', on_delete=PROTECT)")
    if _find_field(model, "key") is None:
        missing.append("key = CharField(max_length=20, unique=True, default=jobs.models.make_project_key)")
    if not _is_integer(model._meta.pk) and not _is_integer(_find_field(model, "public_id")):
        missing.append("public_id = BigIntegerField(unique=True), as its primary key is no integer")
    hint = "Add the field, or derive the model from jobs.models.AbstractProject."
    return [Error(f"{model._meta.label} lacks {field}.", hint=hint, obj=model, id="jobs.E002") for field in missing]


@register("jobs")
def check_order_of_migrations(**_: Any) -> list[CheckMessage]:
    """Refuse migrations that create the host's project after what needs it, or in a circle with it (``jobs.E003``).

    ``makemigrations`` writes the circle: it lets a foreign key depend on the newest migration of an app.
    """
    app_label, _dot, name = conf.project_model_label().lower().partition(".")
    if app_label == "jobs" or check_project_model():
        return []
    before = f"'{NEEDS_PROJECT[0]}', '{NEEDS_PROJECT[1]}'"
    try:
        loader = MigrationLoader(None, ignore_no_migrations=True)
    except CircularDependencyError as error:
        if not OUR_MIGRATION.search(str(error)):
            return []
        hint = (
            "In the migration that creates the project or adds its organization, depend on "
            "('jobs', '0001_organization'), not on a later one."
        )
        return [Error(f"Migrations depend on each other: {error}.", hint=hint, id="jobs.E003")]
    needed = loader.graph.forwards_plan(NEEDS_PROJECT) if NEEDS_PROJECT in loader.graph.nodes else []
    ours = {key: migration for key, migration in loader.disk_migrations.items() if key[0] == app_label}
    creating = [key for key, each in ours.items() if any(_creates(operation, name) for operation in each.operations)]
    if not needed or not creating or set(creating) & set(needed):
        return []
    message = f"{'.'.join(creating[0])} creates the project, but may run after {'.'.join(NEEDS_PROJECT)}."
    adding = [key for key, each in ours.items() if any(_adds_owner(operation, name) for operation in each.operations)]
    if not _has_organization(loader, app_label, name):
        return []  # `makemigrations` runs this check, too, and is about to write where the order can be said
    # An applied migration need not be touched: what comes later in the host's app is as good a place.
    place = f"{'.'.join(adding[0])}, which adds its organization" if adding else "it"
    return [Error(message, hint=f"Write run_before = [({before})] in {place}.", id="jobs.E003")]


@register(Tags.database, "jobs")
def check_organization_is_in_a_migration(*, databases: Collection[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Refuse to migrate before a migration gives the project its organization (``jobs.E012``)."""
    app_label, _dot, name = conf.project_model_label().lower().partition(".")
    if not databases or app_label == "jobs" or check_project_model() or check_order_of_migrations():
        return []
    loader = MigrationLoader(None, ignore_no_migrations=True)
    if app_label not in loader.migrated_apps or _has_organization(loader, app_label, name):
        return []
    hint = f"Run 'manage.py makemigrations {app_label}' before 'manage.py migrate'."
    return [Error(f"No migration gives {app_label}.{name} its organization.", hint=hint, id="jobs.E012")]


@register(Tags.database, "jobs")
def check_project_is_the_migrated_one(*, databases: Collection[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Refuse a project model other than the one that the tables of jobs were made for (``jobs.E008``)."""
    connection = jobs_connection()
    if connection.alias not in (databases or ()) or check_project_model() or not has_table(connection, Job):
        return []
    with connection.cursor() as cursor:
        relations = connection.introspection.get_relations(cursor, Job._meta.db_table)
    # Django 6.1 has a third value: what a deletion does.
    migrated = next((relation[1] for column, relation in relations.items() if column == "project_id"), None)
    model = get_project_model()
    if migrated in (None, model._meta.db_table):
        return []
    problem = f"JOBS_PROJECT_MODEL is {model._meta.label}, but the jobs in {connection.alias!r} belong to {migrated!r}."
    hint = (
        "The project model is fixed by the first migrate. Set it back; or, where nothing is to be kept, go back by "
        "'manage.py migrate jobs zero' under the old setting, then change it and migrate anew."
    )
    return [Error(problem, hint=hint, id="jobs.E008")]


def _find_field(model: type[models.Model], name: str) -> Any:
    return next((field for field in model._meta.get_fields() if field.name == name), None)


def _is_integer(field: Any) -> bool:
    # The primary key of a model that inherits from another one is a foreign key to that one's.
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    return isinstance(field, models.IntegerField)


def _has_organization(loader: MigrationLoader, app_label: str, name: str) -> bool:
    if _find_field(get_project_model(), "organization").model is not get_project_model():
        return True  # a parent's
    project = loader.project_state().models.get((app_label, name))
    return project is not None and "organization" in project.fields


def _creates(operation: object, model_name: str) -> bool:
    return isinstance(operation, CreateModel) and operation.name.lower() == model_name


def _adds_owner(operation: object, model_name: str) -> bool:
    if not isinstance(operation, AddField):
        return False
    return operation.name == "organization" and operation.model_name_lower == model_name
