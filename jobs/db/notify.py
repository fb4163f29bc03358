"""NOTIFY: wakes idle workers and dispatchers. It is only a hint, as they also poll."""

from typing import Final

from .connection import jobs_connection, supports_notify

CHANNEL: Final = "jobs_due"


def notify_due() -> None:
    """Wake idle workers when the current transaction commits; where the database has no NOTIFY, do nothing."""
    connection = jobs_connection()
    if supports_notify(connection):
        with connection.cursor() as cursor:
            cursor.execute(f"NOTIFY {CHANNEL}")
