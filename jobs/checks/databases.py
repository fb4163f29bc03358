"""Checks of the jobs' database, and of whether a worker runs."""

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model

from ..db.connection import driver, jobs_connection, supports_row_locks
from ..models import Job, Worker
from ..status import Status

OLDEST_SQLITE: Final = (3, 35, 0)  # the first with RETURNING
OLDEST_PSYCOPG: Final = (3, 2)  # the first whose notifies() takes a timeout
SQLITE_OPTIONS: Final = "{'transaction_mode': 'IMMEDIATE', 'timeout': 20, 'init_command': 'PRAGMA journal_mode=WAL;'}"
ASKS_FOR_WAL: Final = re.compile(r"\bjournal_mode\s*[=(]\s*['\"]?wal\b", re.IGNORECASE)


@register("jobs")
def check_database(**_: Any) -> list[CheckMessage]:
    """Refuse a database that the engine's statements are not written for (``jobs.E005``)."""
    connection = jobs_connection()
    if connection.vendor == "postgresql":
        return []
    if connection.vendor == "sqlite" and connection.Database.sqlite_version_info >= OLDEST_SQLITE:  # type: ignore[attr-defined]
        return []
    wanted = f"PostgreSQL, or SQLite {'.'.join(map(str, OLDEST_SQLITE))} or newer"
    return [Error(f"The database {connection.alias!r} cannot hold jobs.", hint=f"Use {wanted}.", id="jobs.E005")]


@register("jobs")
def check_driver(**_: Any) -> list[CheckMessage]:
    """Refuse another driver of PostgreSQL than psycopg 3.2 or newer (``jobs.E011``)."""
    connection = jobs_connection()
    if connection.vendor != "postgresql":
        return []
    name, version = driver(connection).__name__, driver(connection).__version__.split(" ")[0]
    if name == "psycopg" and tuple(map(int, version.split(".")[:2])) >= OLDEST_PSYCOPG:
        return []
    hint = "pip install 'psycopg[binary]>=3.2'; Django prefers it where psycopg2 is installed, too."
    problem = f"Jobs need psycopg 3.2 or newer, but the database {connection.alias!r} is reached by {name} {version}."
    return [Error(problem, hint=hint, id="jobs.E011")]


@register("jobs")
def check_sqlite(**_: Any) -> list[CheckMessage]:
    """Warn of SQLite without ``IMMEDIATE`` (``jobs.W001``)."""
    connection = jobs_connection()
    if supports_row_locks(connection):
        return []
    options = connection.settings_dict.get("OPTIONS", {})
    if str(options.get("transaction_mode", "")).upper() in ("IMMEDIATE", "EXCLUSIVE"):
        return []
    return [
        Warning(
            "SQLite without transaction_mode IMMEDIATE answers 'database is locked' under load.",
            hint=f"Set OPTIONS = {SQLITE_OPTIONS} on the database that holds the jobs.",
            id="jobs.W001",
        )
    ]


@register("jobs")
def check_journal(**_: Any) -> list[CheckMessage]:
    """Warn of SQLite without a write-ahead log (``jobs.W003``)."""
    connection = jobs_connection()
    if connection.vendor != "sqlite" or _has_wal(connection):
        return []
    return [
        Warning(
            "SQLite without a write-ahead log lets every reader wait for a writer, and the other way round.",
            hint=f"Set OPTIONS = {SQLITE_OPTIONS} on the database that holds the jobs.",
            id="jobs.W003",
        )
    ]


# For deployment only: a developer may not have started a worker yet.
@register(Tags.database, "jobs", deploy=True)
def check_workers(*, databases: Collection[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Warn if no worker was ever seen: none is listed, and no job has got beyond waiting (``jobs.W004``)."""
    connection = jobs_connection()
    if connection.alias not in (databases or ()) or not has_table(connection, Worker):
        return []
    begun = Job.objects.filter(status__in=[Status.RUNNING, Status.COMPLETED, Status.FAILED])
    runs_jobs = Worker.objects.using(connection.alias).exclude(kind=Worker.Kind.DISPATCHER)
    if runs_jobs.exists() or begun.exists():
        return []
    hint = (
        "Run 'manage.py jobworker' under a supervisor that restarts it, on this database; where JOBS['TASK_BACKEND'] "
        "names an engine, 'manage.py jobdispatcher' and a worker of that engine."
    )
    return [Warning("No worker was ever seen, so no job is run.", hint=hint, id="jobs.W004")]


def has_table(connection: BaseDatabaseWrapper, model: type[Model]) -> bool:
    """Whether the table exists; before the first ``migrate`` it does not."""
    return model._meta.db_table in connection.introspection.table_names()


def _has_wal(connection: BaseDatabaseWrapper) -> bool:
    """Whether connections set WAL, or the file has it, or there is no file; opens no connection.

    Source: SQLite, "Database File Format" §1.3.3: bytes 18 and 19 are 2 with a write-ahead log.
    """
    command = str(connection.settings_dict.get("OPTIONS", {}).get("init_command") or "")
    if ASKS_FOR_WAL.search(command) or connection.is_in_memory_db():  # type: ignore[attr-defined]
        return True
    try:
        with Path(connection.settings_dict["NAME"]).open("rb") as file:
            return file.read(20)[18:] == b"\x02\x02"
    except OSError:
        return False
