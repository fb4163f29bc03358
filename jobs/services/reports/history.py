"""The history of a job: its events, and the attempts that they make up."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from django.db.models import QuerySet

from ...actors import CALLERS
from ...models import JobEvent
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
# The note of these is an error.
WITH_ERROR: Final = (What.FAILED, What.RETRYING, What.RESCUED)
# The notes of these events are reasons; a job that retries another one has its reason in its first event.
WITH_REASON: Final = (What.CANCELLED, What.HELD, What.RESUMED, What.ADVANCED, What.RETRIED, What.SCHEDULED)
# For integrators, instead of the event's own note, which names the worker's host and process.
WORKER_LOST: Final = "The worker of this attempt stopped unexpectedly."


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One claim of a job, and the event that ended it; None while the attempt runs."""

    claimed: JobEvent
    ended: JobEvent | None = None

    @property
    def number(self) -> int:
        """The first attempt is number 1."""
        return self.claimed.attempt

    @property
    def ended_at(self) -> datetime | None:
        return None if self.ended is None else self.ended.at

    @property
    def outcome(self) -> str:
        """``running``, or a value of ``OUTCOMES``."""
        return RUNNING if self.ended is None else OUTCOMES[What(self.ended.what)]

    @property
    def has_error(self) -> bool:
        """Whether the note of the last event says why the attempt failed or was lost."""
        return self.ended is not None and self.ended.what in WITH_ERROR


@dataclass(frozen=True, kw_only=True)
class History:
    """The newest ``MOST_EVENTS`` events of a job, and the attempts that began within them; both oldest first."""

    events: Sequence[JobEvent]
    attempts: Sequence[Attempt]
    is_cut: bool
    """Whether older events, and so perhaps attempts, were left out."""


def read_history(events: QuerySet[JobEvent]) -> History:
    """Return the history of a job in one query; ``events`` are the job's, without the columns not needed."""
    newest = list(events.order_by("-pk")[: MOST_EVENTS + 1])
    shown = newest[:MOST_EVENTS][::-1]
    attempts: dict[int, Attempt] = {}
    for event in shown:
        if event.what == What.CLAIMED:
            attempts[event.attempt] = Attempt(claimed=event)
        elif event.from_status == Status.RUNNING and event.attempt in attempts:
            attempts[event.attempt] = replace(attempts[event.attempt], ended=event)
    return History(events=shown, attempts=list(attempts.values()), is_cut=len(newest) > MOST_EVENTS)


def public_actor(event: JobEvent) -> str:
    """Return the actor for integrators: ``key jsk_…``, ``staff``, ``worker`` or ``system``; no person, no host."""
    kind, _, name = event.actor.partition(":")
    return f"key {name}" if kind == "key" else kind


def public_note(event: JobEvent) -> str | None:
    """Return the note for integrators: one that this app wrote, or a reason that a caller gave; else None.

    What staff or host code wrote is for staff. Redaction blanks the notes of jobs that ended long ago.
    """
    kind = event.actor.partition(":")[0]
    if not event.note or kind == "staff":
        return None
    if event.what == What.RESCUED:
        return WORKER_LOST
    # Host code may pass on what its staff typed: a reason is public only if a caller of the API gave it.
    return None if event.what in WITH_REASON and kind not in CALLERS else event.note
