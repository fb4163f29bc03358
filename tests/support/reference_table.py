"""The table of the reference service, and rows in it."""

from datetime import UTC, datetime
from typing import Any, Final

import pytest
from django.db import connection

from jobs.testing import make_project

CREATED: Final = datetime(2021, 6, 17, 6, 55, 55, 277_000, tzinfo=UTC)
START: Final = datetime(2021, 6, 17, 18, 30, tzinfo=UTC)
CHANGED: Final = datetime(2021, 6, 18, 0, 15, 3, tzinfo=UTC)
# As the reference service creates it, but for its enums, whose values drivers give as text.
TABLE: Final = """
    CREATE TABLE {name} (
        job_id integer PRIMARY KEY, description text, status text, project_id integer, action text, reference_id text,
        created_at {time}, updated_at {time}, start_at {time}, errors text
    )
"""


@pytest.fixture
def project() -> Any:
    return make_project()


@pytest.fixture
def theirs() -> str:
    return create_table("reference_jobs")


def create_table(name: str, time: str = "timestamp") -> str:
    with connection.cursor() as cursor:
        cursor.execute(TABLE.format(name=name, time=time))
    return name


def add(table: str, job_id: int, **what_matters: Any) -> None:
    row = {
        "job_id": job_id,
        "description": "Delete user sessions of userId = mehdi@example.com",
        "status": "completed",
        "project_id": 1,
        "action": "delete_user_data",
        "reference_id": f"mehdi-{job_id}@example.com",
        "created_at": CREATED,
        "updated_at": CHANGED,
        "start_at": START,
        "errors": None,
        **what_matters,
    }
    values = [stored(value) for value in row.values()]
    with connection.cursor() as cursor:
        marks = ", ".join(["%s"] * len(row))
        cursor.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", values)


def stored(value: Any) -> Any:
    """Return a time as their columns store it: in UTC, without a zone; as text in SQLite."""
    if not isinstance(value, datetime):
        return value
    naive = value.replace(tzinfo=None)
    return naive.isoformat(" ") if connection.vendor == "sqlite" else naive


def drop(table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {table}")
