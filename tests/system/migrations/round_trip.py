"""Migrates the database of ``DATABASE_URL`` forward and back, twice; prints what each turn left, as one JSON object.

Run as ``python -m tests.system.migrations.round_trip``, with ``DJANGO_SETTINGS_MODULE`` set.
"""

import json

import django
from django.core.management import call_command
from django.db import connection


def main() -> None:
    """Migrate twice: a way back is of use only if one can go forward again."""
    django.setup()
    call_command("check", fail_level="WARNING", verbosity=0)
    call_command("makemigrations", check_changes=True, dry_run=True)
    steps = {}
    for turn in ("first", "second"):
        call_command("migrate", verbosity=0)
        steps[f"{turn} forward"] = names_in_database()
        call_command("migrate", "jobs", "zero", verbosity=0)
        steps[f"{turn} back"] = names_in_database()
    print(json.dumps({"steps": steps, "applied": names("SELECT DISTINCT app FROM django_migrations")}))


def names_in_database() -> list[str]:
    """Return the names of all tables, indexes, constraints and sequences."""
    if connection.vendor == "sqlite":
        return names("SELECT name FROM sqlite_master")
    return names("""
        SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    """)


def names(sql: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return sorted(name for (name,) in cursor.fetchall())


if __name__ == "__main__":
    main()
