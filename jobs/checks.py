"""System checks: what would make jobs unsafe or unreachable on this host."""

from typing import Any

from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured

from . import conf
from .database import home, supports_row_locks


@register("jobs")
def check_settings(**_: Any) -> list[CheckMessage]:
    """Refuse a ``JOBS`` dict that cannot work (``jobs.E001``)."""
    try:
        conf.current()
    except ImproperlyConfigured as error:
        return [Error(str(error), hint="The settings are listed in the README.", id="jobs.E001")]
    return []


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
