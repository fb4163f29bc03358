"""The wake-up call for idle workers: an empty NOTIFY where the database has it; a hint, never the truth."""

from typing import Final

from .connection import jobs_connection, supports_notify

CHANNEL: Final = "jobs_due"


def notify_due() -> None:
    """Wake idle workers when the current transaction commits; it carries no payload."""
    connection = jobs_connection()
    if supports_notify(connection):
        with connection.cursor() as cursor:
            cursor.execute(f"NOTIFY {CHANNEL}")
