"""What happened to a job, as its integrators may know it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from ...db.connection import jobs_connection
from ...models import Job, JobEvent
from ...status import Status

What = JobEvent.What

MOST_EVENTS: Final = 200
RUNNING: Final = "running"
# How an attempt ended, by the event that ended it.
OUTCOMES: Final = {
    What.COMPLETED: "completed",
    What.FAILED: "failed",
    What.CANCELLED: "cancelled",
    What.RELEASED: "released",
    What.RETRYING: "retrying",
    What.RESCUED: "lost",
}
# Actors that call the API.
CALLERS: Final = ("key", "user")
WITH_ERROR: Final = (What.FAILED, What.RETRYING, What.RESCUED)
# Their note is a reason that somebody gave; of the first event, if the job tries another one again.
STEPPED_IN: Final = (What.CANCELLED, What.HELD, What.RESUMED, What.ADVANCED, What.RETRIED, What.SCHEDULED)
# Instead of the event's own note, which names the worker: host and process.
WORKER_LOST: Final = "The worker of this attempt stopped unexpectedly."


@dataclass(frozen=True, kw_only=True)
class Event:
    """One change of a job."""

    at: datetime
    what: str
    was: str | None
    """The status before; None for the first event."""
    to: str
    attempt: int
    by: str
    """``key jsk_…`` (its public prefix), ``staff``, ``worker`` or ``system``; never a person or a host."""
    note: str | None
    """A sentence of the engine's, or the reason that a key gave; what staff or host code wrote is for staff."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One claim of a job and how it ended."""

    number: int
    claimed_at: datetime
    ended_at: datetime | None = None
    outcome: str = RUNNING
    """``running``, or a value of ``OUTCOMES``."""
    error: str | None = None
    """Why it failed, will be retried, or was lost; in words for integrators."""


@dataclass(frozen=True, kw_only=True)
class History:
    """The newest ``MOST_EVENTS`` events of a job, oldest first, and the attempts that began within them."""

    events: Sequence[Event]
    attempts: Sequence[Attempt]
    is_cut: bool
    """Whether older events, and so perhaps attempts, were left out."""


def get_history(job: Job) -> History:
    """Return what happened to ``job``, in one query; tracebacks are not even read.

    Redaction has blanked the notes of a job that ended long ago; the rest is kept.
    """
    rows = (
        JobEvent.objects.using(jobs_connection().alias).filter(job=job.pk).defer("detail", "request_id").order_by("-pk")
    )
    newest = list(rows[: MOST_EVENTS + 1])
    events = [_told(row) for row in reversed(newest[:MOST_EVENTS])]
    return History(events=events, attempts=_attempts_of(events), is_cut=len(newest) > MOST_EVENTS)


def _told(row: JobEvent) -> Event:
    kind, _, name = row.actor.partition(":")
    return Event(
        at=row.at,
        what=row.what,
        was=row.from_status or None,
        to=row.to_status,
        attempt=row.attempt,
        by=f"key {name}" if kind == "key" else kind,
        note=_public_note(row, kind) or None,
    )


def _public_note(row: JobEvent, kind: str) -> str:
    if not row.note or kind == "staff":
        return ""
    if row.what == What.RESCUED:
        return WORKER_LOST
    # The engine steps in with no job: unless a caller did, host code gave the reason, perhaps as its staff typed it.
    return "" if row.what in STEPPED_IN and kind not in CALLERS else row.note


def _attempts_of(events: Iterable[Event]) -> list[Attempt]:
    attempts: dict[int, Attempt] = {}
    for event in events:
        if event.what == What.CLAIMED:
            attempts[event.attempt] = Attempt(number=event.attempt, claimed_at=event.at)
        elif event.was == Status.RUNNING and event.attempt in attempts:
            what = What(event.what)
            error = event.note if what in WITH_ERROR else None
            ended = replace(attempts[event.attempt], ended_at=event.at, outcome=OUTCOMES[what], error=error)
            attempts[event.attempt] = ended
    return list(attempts.values())
