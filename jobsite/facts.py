"""Counts for the landing page: two short queries, however many jobs there are."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db import DatabaseError, connection
from django.utils import timezone

from jobs import Status
from jobs.models import Job, Worker

# Counting further would read an index of millions of rows for a number that nobody needs.
COUNTED: Final = 1_000
# As long as a worker's lease is by default: whoever has not sent a heartbeat since has lost its jobs.
ALIVE_WITHIN: Final = timedelta(seconds=45)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """How many jobs there are in each status, or at least how many; how many workers live."""

    jobs: dict[str, str]
    workers: int


def find_facts() -> Facts | None:
    """Return what is known now; None if the database does not answer, so that the page stays up without it."""
    try:
        return Facts(jobs=_count_jobs(), workers=_count_workers())
    except DatabaseError:
        return None


def _count_jobs() -> dict[str, str]:
    counts: list[str] = []
    values: list[str | int] = []
    for status in Status:
        few, params = Job.objects.filter(status=status).order_by().values("pk")[:COUNTED].query.sql_with_params()
        counts.append(f"(SELECT COUNT(*) FROM ({few}) AS few)")  # noqa: S608 – compiled by Django
        values.extend(params)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(counts)}", values)
        row = cursor.fetchone()
    return {
        status: f"{count:,}" if count < COUNTED else f"{COUNTED - 1:,}+"
        for status, count in zip(Status, row, strict=True)
    }


def _count_workers() -> int:
    return Worker.objects.exclude(kind=Worker.Kind.DISPATCHER).filter(beat_at__gt=timezone.now() - ALIVE_WITHIN).count()
