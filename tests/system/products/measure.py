"""Counts what a product's own deletion leaves of a person, and what a job by the host's map leaves; prints JSON.

``python measure.py HOST`` in an environment with the product, ``HOST_DATABASE`` being an empty database. Rows are
counted from outside: every table is read before and after, whatever models and managers there are.
"""

import argparse
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, Final

import django
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import Model, ProtectedError, RestrictedError
from persons import OTHER, PERSON

# A row: its table and its key. What it has: its values in lower case.
Row = tuple[str, str]
Rows = dict[Row, str]

# The tables of jobs have rules of their own (prunejobs); SQLite's of a full-text index are parts of another table.
SKIPPED: Final = ("jobs_", "django_migrations", "django_content_type", "auth_permission", "sqlite_")


class RollBack(Exception):
    """Ends a transaction whose changes are not wanted."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("host")
    host = parser.parse_args().host
    os.environ["DJANGO_SETTINGS_MODULE"] = f"{host}.settings"
    django.setup()
    call_command("migrate", verbosity=0)
    rows = import_module(f"{host}.rows")
    own, others = fill(rows)
    print(
        json.dumps(
            {
                "rows": by_table(own),
                "own_deletion": own_deletion(rows.delete, own, others),
                "job": job(own, others),
            }
        )
    )


def fill(rows: Any) -> tuple[set[Row], set[Row]]:
    """Let both persons do what the product offers; return the rows that came by the one and by the other."""
    rows.prepare()
    added: dict[Any, set[Row]] = {PERSON: set(), OTHER: set()}
    for act, person, *more in (
        (rows.sign_up, PERSON),
        (rows.sign_up, OTHER),
        (rows.act, PERSON),
        (rows.act, OTHER),
        (rows.meet, PERSON, OTHER),
        (rows.meet, OTHER, PERSON),
    ):
        before = read()
        act(person, *more)
        added[person] |= read().keys() - before.keys()
    return added[PERSON], added[OTHER]


def own_deletion(delete: Callable[[int], object], own: set[Row], others: set[Row]) -> dict[str, Any]:
    """Let the product delete the person; tell what was left, and take it back."""
    before, told = read(), {}
    try:
        with transaction.atomic():
            delete(PERSON.pk)
            told = compared(before, read(), own, others)
            raise RollBack
    except RollBack:
        return {"refused": "", **told}
    except (ProtectedError, RestrictedError) as error:
        return {"refused": type(error).__name__, **compared(before, read(), own, others)}


def job(own: set[Row], others: set[Row]) -> dict[str, Any]:
    """Preview and run a job by the map; tell what was left, and the receipt."""
    from jobs import schedule_job
    from jobs.testing import make_project, run_due_jobs

    project, before, previewed = make_project(), read(), io.StringIO()
    call_command("previewerase", PERSON.email, project=project.key, json=True, stdout=previewed)
    schedule_job("delete_user_data", project=project, reference_id=PERSON.email)
    (ran,) = run_due_jobs()
    return {
        "status": ran.status,
        "detail": ran.events.last().detail,
        "preview": json.loads(previewed.getvalue())["stores"],
        "receipt": ran.receipt["stores"],
        **compared(before, read(), own, others),
    }


# ------------------------------------------------------------ counting from outside


def read() -> Rows:
    """Return each row of each table."""
    with connection.cursor() as cursor:
        return dict(pair for table in sorted(tables(cursor)) for pair in rows_of(cursor, table))


def tables(cursor: Any) -> Iterator[str]:
    for table in connection.introspection.table_names(cursor):
        if not table.startswith(SKIPPED) and "_fts" not in table:
            yield table


def rows_of(cursor: Any, table: str) -> Iterator[tuple[Row, str]]:
    keys = connection.introspection.get_primary_key_columns(cursor, table)
    cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
    names = [column[0] for column in cursor.description]
    for values in cursor.fetchall():
        row = dict(zip(names, values, strict=True))
        yield (table, repr([row[key] for key in keys or names])), repr(row).lower()


def compared(before: Rows, after: Rows, own: set[Row], others: set[Row]) -> dict[str, Any]:
    """Tell what became of the rows: of the person's own, and of those that came by the other person."""
    marked = {row for row, values in after.items() if any(mark in values for mark in PERSON.marks)}
    return {
        "gone": by_table(before.keys() - after.keys()),
        "left": by_table(own & after.keys()),
        "marked": by_table(marked),
        "lost": by_table(others - after.keys()),
        "changed": by_table({row for row in others & after.keys() if before[row] != after[row]}),
    }


def by_table(rows: set[Row]) -> dict[str, int]:
    return dict(sorted(Counter(table for table, _ in rows).items()))


def delete_user(pk: int) -> None:
    """Delete a user as Django's admin does."""
    from django.contrib.auth import get_user_model

    user: Model = get_user_model()._base_manager.get(pk=pk)
    user.delete()


if __name__ == "__main__":
    main()
