"""Whether this process can serve: the database answers, and the tables are those of this code."""

import pkgutil
from functools import cache
from importlib import import_module

from django.db import Error
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from ...db.connection import home


def is_ready() -> bool:
    """Whether the jobs' database answers and all migrations of ``jobs`` are applied; one query."""
    connection = home()
    try:
        recorded = MigrationRecorder(connection).migration_qs.filter(app="jobs")
        applied = set(recorded.values_list("name", flat=True))
    except Error:
        return False
    return _migrations() <= applied


@cache
def _migrations() -> frozenset[str]:
    """Return the names of the migrations on disk; none where the host has switched them off."""
    module, _explicit = MigrationLoader.migrations_module("jobs")
    if module is None:
        return frozenset()
    found = pkgutil.iter_modules(import_module(module).__path__)
    return frozenset(entry.name for entry in found if not entry.ispkg and entry.name[0] not in "_~")
