"""System checks: what would make jobs unsafe or unreachable on this host."""

import re
from typing import Any, Final

from django.core.cache import InvalidCacheBackendError, caches
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db import models
from django.db.migrations.exceptions import CircularDependencyError
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import CreateModel

from . import conf
from .actions import all_actions
from .database import home, supports_row_locks
from .models import Organization
from .services import get_project_model

OLDEST_SQLITE: Final = (3, 35, 0)  # the first with RETURNING
# The migration whose foreign keys point at the host's project.
NEEDS_PROJECT: Final = ("jobs", "0002_jobs")
# As the message about a circle names them; the circle may pass through a later one that needs the project, too.
OUR_MIGRATION: Final = re.compile(r"\bjobs\.[0-9]{4}_")


@register("jobs")
def check_settings(**_: Any) -> list[CheckMessage]:
    """Refuse a ``JOBS`` dict that cannot work (``jobs.E001``)."""
    try:
        conf.current()
    except ImproperlyConfigured as error:
        return [Error(str(error), hint="The settings are listed in the README.", id="jobs.E001")]
    return []


@register("jobs")
def check_project_model(**_: Any) -> list[CheckMessage]:
    """Refuse a project model without what jobs need of it (``jobs.E002``)."""
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
        hint = "In the migration that creates the project, depend on ('jobs', '0001_organization'), not on a later one."
        return [Error(f"Migrations depend on each other: {error}.", hint=hint, id="jobs.E003")]
    needed = loader.graph.forwards_plan(NEEDS_PROJECT) if NEEDS_PROJECT in loader.graph.nodes else []
    creating = [
        key
        for key, migration in loader.disk_migrations.items()
        if key[0] == app_label and any(_creates(operation, name) for operation in migration.operations)
    ]
    if not needed or not creating or set(creating) & set(needed):
        return []
    message = f"{'.'.join(creating[0])} creates the project, but may run after {'.'.join(NEEDS_PROJECT)}."
    return [Error(message, hint=f"Write run_before = [({before})] in it.", id="jobs.E003")]


@register("jobs")
def check_time(**_: Any) -> list[CheckMessage]:
    """Refuse settings by which the database's clock and Django's times would differ (``jobs.E004``)."""
    hint = "A job would start hours early or late."
    if not conf.uses_time_zones():
        return [Error("Jobs need USE_TZ = True.", hint=hint, id="jobs.E004")]
    connection = home()
    # Where the database has no times with zones (SQLite), Django writes them in the connection's zone.
    if not connection.features.supports_timezones and connection.timezone_name != "UTC":
        problem = f"The database {connection.alias!r} keeps times in {connection.timezone_name}; its clock is in UTC."
        return [Error(problem, hint=f"{hint} Take TIME_ZONE out of its settings.", id="jobs.E004")]
    return []


@register("jobs")
def check_database(**_: Any) -> list[CheckMessage]:
    """Refuse a database that the engine's statements are not written for (``jobs.E005``)."""
    connection = home()
    if connection.vendor == "postgresql":
        return []
    if connection.vendor == "sqlite" and connection.Database.sqlite_version_info >= OLDEST_SQLITE:  # type: ignore[attr-defined]
        return []
    wanted = f"PostgreSQL, or SQLite {'.'.join(map(str, OLDEST_SQLITE))} or newer"
    return [Error(f"The database {connection.alias!r} cannot hold jobs.", hint=f"Use {wanted}.", id="jobs.E005")]


@register("jobs")
def check_engine(**_: Any) -> list[CheckMessage]:
    """Refuse an engine that could not be handed the jobs of some action (``jobs.E020``)."""
    if check_settings():
        return []
    from .tasks import check_engine as problem_of_engine  # reads JOBS when it is imported, which may be wrong

    problem = problem_of_engine({action.queue for action in all_actions()})
    hint = "JOBS['TASK_BACKEND'] names an alias in TASKS; before Django 6, install django-jobsite[tasks]."
    return [Error(problem, hint=hint, id="jobs.E020")] if problem else []


@register("jobs")
def check_parameters(**_: Any) -> list[CheckMessage]:
    """Refuse actions whose parameters would not reach them (``jobs.E006``)."""
    return [
        Error(
            f"The parameter {name!r} of the action {action.name!r} is write_only, so it is not stored.",
            hint="Take write_only off; parameters are stored with the job, so they must not be secrets.",
            id="jobs.E006",
        )
        for action in all_actions()
        if action.parameters is not None
        for name, field in action.parameters().fields.items()
        if field.write_only
    ]


@register("jobs")
def check_sqlite(**_: Any) -> list[CheckMessage]:
    """Warn of SQLite without ``IMMEDIATE`` (``jobs.W001``)."""
    connection = home()
    if supports_row_locks(connection):
        return []
    options = connection.settings_dict.get("OPTIONS", {})
    if str(options.get("transaction_mode", "")).upper() in ("IMMEDIATE", "EXCLUSIVE"):
        return []
    return [
        Warning(
            "SQLite without transaction_mode IMMEDIATE answers 'database is locked' under load.",
            hint="Set OPTIONS = {'transaction_mode': 'IMMEDIATE', 'timeout': 20, "
            "'init_command': 'PRAGMA journal_mode=WAL;'} on the database that holds the jobs.",
            id="jobs.W001",
        )
    ]


@register("jobs")
def check_cache(**_: Any) -> list[CheckMessage]:
    """Refuse an alias under which there is no cache (``jobs.E007``)."""
    if check_settings():
        return []
    try:
        caches[conf.current().cache]
    except InvalidCacheBackendError as error:
        hint = "Name in JOBS['CACHE'] one of the aliases in CACHES."
        return [Error(f"The cache that counts requests: {error}", hint=hint, id="jobs.E007")]
    return []


# For deployment only: while a single process serves, as in development, it counts right.
@register("jobs", deploy=True)
def check_shared_cache(**_: Any) -> list[CheckMessage]:
    """Warn of a cache in which each process counts for itself, or none does (``jobs.W002``)."""
    if check_settings() or check_cache():
        return []
    settings = conf.current()
    if settings.requests_per_minute is None and settings.failed_keys_per_minute is None:
        return []
    if not isinstance(caches[settings.cache], LocMemCache | DummyCache):
        return []
    return [
        Warning(
            f"The cache {settings.cache!r} is each process's own, so limits of requests are as many times what they "
            "say as there are processes.",
            hint="Let all processes share one, such as django.core.cache.backends.redis.RedisCache, and name its alias "
            "in JOBS['CACHE']; or set REQUESTS_PER_MINUTE and FAILED_KEYS_PER_MINUTE to None.",
            id="jobs.W002",
        )
    ]


def _find_field(model: type[models.Model], name: str) -> Any:
    try:
        return model._meta.get_field(name)
    except FieldDoesNotExist:
        return None


def _is_integer(field: Any) -> bool:
    # The primary key of a model that inherits from another one is a foreign key to that one's.
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    return isinstance(field, models.IntegerField)


def _creates(operation: object, model_name: str) -> bool:
    return isinstance(operation, CreateModel) and operation.name.lower() == model_name
