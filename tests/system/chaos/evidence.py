"""All that the checker may look at, gathered after a run: records, the ledger, rows and their events."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import connection
from django.db.models import Count

from jobs.db import clock
from jobs.models import Job, JobEvent
from tests.system.chaos.models import Effect, Item
from tests.system.chaos.records import read_records

COLUMNS = (
    "id",
    "action",
    "project_id",
    "reference_id",
    "description",
    "status",
    "errors",
    "created_at",
    "start_at",
    "finished_at",
    "attempt",
    "crashes",
    "failures",
    "receipt",
    "progress_done",
    "lease_token",
)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault that happened, and the claims that its process held then; instants are of the database's clock."""

    at: datetime
    how: str
    place: str
    pid: int
    held: tuple[tuple[int, int], ...]


@dataclass(kw_only=True)
class Life:
    """When a worker process was alive and awake."""

    pid: int
    started: datetime
    ended: datetime | None = None
    asleep: list[tuple[datetime, datetime]] = field(default_factory=list)
    exit_status: int | None = None
    exit_seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a run left behind."""

    at: datetime
    jobs: dict[int, dict[str, Any]]
    events: dict[int, list[dict[str, Any]]]
    effects: list[dict[str, Any]]
    left: dict[str, int]
    records: list[dict[str, Any]]
    finals_seen: dict[int, dict[str, Any]]
    faults: list[Fault]
    lives: list[Life]


def gather(records: Path, finals_seen: dict[int, dict[str, Any]], faults: list[Fault], lives: list[Life]) -> Evidence:
    """Read the database and the records as they stand now."""
    events: dict[int, list[dict[str, Any]]] = {}
    for event in JobEvent.objects.order_by("id").values(
        "job_id", "at", "what", "to_status", "attempt", "actor", "note"
    ):
        events.setdefault(event["job_id"], []).append(event)
    return Evidence(
        at=clock.read(connection),
        jobs={row["id"]: row for row in Job.objects.values(*COLUMNS)},
        events=events,
        effects=list(Effect.objects.values("job_id", "item", "attempt", "at")),
        left=dict(Item.objects.values_list("owner").annotate(count=Count("pk"))),
        records=read_records(records),
        finals_seen=finals_seen,
        faults=faults,
        lives=lives,
    )


def held_by(pids: list[int]) -> tuple[tuple[int, int], ...]:
    """Return the claims that these processes hold."""
    running = Job.objects.filter(status="running").values_list("pk", "attempt", "worker")
    return tuple((pk, attempt) for pk, attempt, worker in running if int(worker.split(":")[1]) in pids)
