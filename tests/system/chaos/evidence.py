"""The evidence of a run, which the checker reads: call logs, ledger, job rows, events, and the faults that happened."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import connection

from jobs.db import clock
from jobs.models import Job, JobEvent
from tests.system.chaos.call_log import read_calls
from tests.system.chaos.models import Effect

COLUMNS = (
    *("id", "action", "project_id", "reference_id", "description", "status", "errors", "created_at", "start_at"),
    *("finished_at", "attempt", "crashes", "failures", "interruptions", "receipt", "progress_done", "lease_token"),
)

Claims = tuple[tuple[int, int], ...]
"""Job ids, each with the number of the attempt."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault that happened, and the claims its process had then; instants are of the database's clock."""

    at: datetime
    kind: str
    place: str = ""
    pid: int = 0
    claims: Claims = ()
    # Until when the database did not answer because of it; None: it did.
    until: datetime | None = None


@dataclass(kw_only=True)
class Lifetime:
    """When a worker process was alive, when it was frozen, and how it ended; ``stopped``: was asked to."""

    pid: int
    started: datetime
    stopped: datetime | None = None
    ended: datetime | None = None
    frozen: list[tuple[datetime, datetime]] = field(default_factory=list)
    exit_status: int | None = None
    exit_seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that a run left; ``finals_seen`` are final rows as they were first read, ``left`` counts items by owner."""

    at: datetime
    jobs: dict[int, dict[str, Any]]
    events: dict[int, list[dict[str, Any]]]
    effects: list[dict[str, Any]]
    left: dict[str, int]
    calls: list[dict[str, Any]]
    attempts: list[dict[str, Any]]
    finals_seen: dict[int, dict[str, Any]]
    faults: list[Fault]
    lifetimes: list[Lifetime]


def gather(
    calls: Path, attempts: Path, finals_seen: dict[int, dict[str, Any]], faults: list[Fault], lives: list[Lifetime]
) -> Evidence:
    events: dict[int, list[dict[str, Any]]] = {}
    columns = ("job_id", "at", "what", "to_status", "attempt", "actor", "note")
    for event in JobEvent.objects.order_by("id").values(*columns):
        events.setdefault(event["job_id"], []).append(event)
    return Evidence(
        at=clock.read(connection),
        jobs={row["id"]: row for row in Job.objects.values(*COLUMNS)},
        events=events,
        effects=list(Effect.objects.values("job_id", "item", "attempt", "at")),
        left=count_left(),
        calls=read_calls(calls),
        attempts=read_calls(attempts),
        finals_seen=finals_seen,
        faults=faults,
        lifetimes=lives,
    )


def count_left() -> dict[str, int]:
    """Return how many rows each owner has in the tables of items and notes, whatever the models' managers hide."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT owner, count(*) FROM chaos_item GROUP BY owner")
        left = Counter(dict(cursor.fetchall()))
        cursor.execute("SELECT owner, count(*) FROM chaos_note GROUP BY owner")
        left.update(dict(cursor.fetchall()))
    return left


def claims_of(pids: list[int]) -> Claims:
    running = Job.objects.filter(status="running").values_list("pk", "attempt", "worker") if pids else ()
    return tuple((pk, attempt) for pk, attempt, worker in running if int(worker.split(":")[1]) in pids)
