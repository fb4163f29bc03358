"""Migrate forward and back in a process of its own, on the database of ``DATABASE_URL``; print what was there.

``python -m tests.support.migration_round_trip`` with ``DJANGO_SETTINGS_MODULE`` set prints one JSON object.
"""

import json

import django
from django.core.management import call_command
from django.db import connection


def main() -> None:
    """Go there and back, twice, as a way back is of use only if one can go forward again."""
    django.setup()
    call_command("check", fail_level="WARNING", verbosity=0)
    call_command("makemigrations", check_changes=True, dry_run=True)
    steps = {}
    for turn in ("first", "second"):
        call_command("migrate", verbosity=0)
        steps[f"{turn} forward"] = names_in_database()
        call_command("migrate", "jobs", "zero", verbosity=0)
        steps[f"{turn} back"] = names_in_database()
    print(json.dumps({"steps": steps, "applied": applied_migrations()}))


def names_in_database() -> list[str]:
    """Return the names of all tables, indexes and constraints (and sequences, where there are any)."""
    sql = "SELECT name FROM sqlite_master"
    if connection.vendor == "postgresql":
        sql = """
            SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
            UNION ALL SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace
        """
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return sorted(name for (name,) in cursor.fetchall())


def applied_migrations() -> list[str]:
    """Return the apps of which migrations are recorded."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT app FROM django_migrations")
        return sorted(app for (app,) in cursor.fetchall())


if __name__ == "__main__":
    main()
