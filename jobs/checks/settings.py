"""Checks of settings, hooks and actions."""

from typing import Any, Final

from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.throttling import BaseThrottle

from .. import conf, tasks
from ..actions import all_actions, find_action
from ..db.connection import jobs_connection

# The base of a class, or None: a function.
HOOKS: Final[dict[str, type | None]] = {
    "AUTHENTICATION": BaseAuthentication,
    "PERMISSION": BasePermission,
    "THROTTLE": BaseThrottle,
    "FIND_PROJECT": None,
}


@register("jobs")
def check_settings(**_: Any) -> list[CheckMessage]:
    """Refuse a ``JOBS`` dict that cannot work (``jobs.E001``)."""
    try:
        conf.current()
    except ImproperlyConfigured as error:
        return [
            Error(str(error), hint="The reference of settings, in the documentation, lists them all.", id="jobs.E001")
        ]
    return []


@register("jobs")
def check_time(**_: Any) -> list[CheckMessage]:
    """Refuse settings by which the database's clock and Django's times would differ (``jobs.E004``)."""
    hint = "A job would start hours early or late."
    if not conf.uses_time_zones():
        return [Error("Jobs need USE_TZ = True.", hint=hint, id="jobs.E004")]
    connection = jobs_connection()
    # Where the database has no times with zones (SQLite), Django writes them in the connection's zone.
    if not connection.features.supports_timezones and connection.timezone_name != "UTC":
        problem = f"The database {connection.alias!r} keeps times in {connection.timezone_name}; its clock is in UTC."
        return [Error(problem, hint=f"{hint} Take TIME_ZONE out of its settings.", id="jobs.E004")]
    return []


@register("jobs")
def check_engine(**_: Any) -> list[CheckMessage]:
    """Refuse an engine that cannot take the jobs of every action (``jobs.E020``)."""
    if check_settings():
        return []
    problem = tasks.check_engine({action.queue for action in all_actions()})
    hint = "JOBS['TASK_BACKEND'] names an alias in TASKS; before Django 6, install django-jobsite[tasks]."
    return [Error(problem, hint=hint, id="jobs.E020")] if problem else []


@register("jobs")
def check_parameters(**_: Any) -> list[CheckMessage]:
    """Refuse actions with parameters that would not be stored (``jobs.E006``)."""
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
def check_erase_action(**_: Any) -> list[CheckMessage]:
    """Refuse a ``USER_ERASE_ACTION`` that is not a public action (``jobs.E009``)."""
    if check_settings() or "USER_ERASE_ACTION" not in conf.given():
        return []
    name = conf.current().user_erase_action
    found = find_action(name)
    if found is not None and found.public:
        return []
    problem = f"JOBS['USER_ERASE_ACTION'] is {name!r}, which is no registered action."
    hint = f"Write @action({name!r}, public=True, …) in job_actions.py of an installed app, or correct the name."
    if found is not None:
        problem = f"JOBS['USER_ERASE_ACTION'] is {name!r}, an action that is not public."
        hint = "Register it with public=True, or take the setting out."
    return [Error(f"{problem} DELETE …/users/{{userId}} answers 404.", hint=hint, id="jobs.E009")]


@register("jobs")
def check_hooks(**_: Any) -> list[CheckMessage]:
    """Refuse classes and functions of the host that cannot be loaded, or have the wrong type (``jobs.E010``)."""
    if check_settings():
        return []
    settings = conf.current()
    problems = [
        _problem_of_hook(name, path, kind)
        for name, kind in HOOKS.items()
        if (path := getattr(settings, name.lower())) is not None
    ]
    hint = "docs/how-to/access.md shows what each must be."
    return [Error(problem, hint=hint, id="jobs.E010") for problem in problems if problem]


def _problem_of_hook(name: str, path: str, base: type | None) -> str:
    try:
        found = import_string(path)
    except ImportError as error:
        return f"JOBS[{name!r}]: {error}"
    if base is None:
        return "" if callable(found) else f"JOBS[{name!r}]: {path} cannot be called."
    if isinstance(found, type) and issubclass(found, base):
        return ""
    return f"JOBS[{name!r}]: {path} is no subclass of {base.__module__}.{base.__name__}."
