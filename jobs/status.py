"""The five statuses of a job, the moves between them (drawn in the README), and why staff may not step in."""

from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """What a job's row says about it; the values are those of the public contract."""

    SCHEDULED = "scheduled"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether a row in this status never changes its status again."""
        return not TRANSITIONS[self]


TRANSITIONS: Final[dict[Status, frozenset[Status]]] = {
    Status.SCHEDULED: frozenset({Status.RUNNING, Status.CANCELLED}),
    Status.RUNNING: frozenset({Status.SCHEDULED, Status.COMPLETED, Status.FAILED, Status.CANCELLED}),
    Status.COMPLETED: frozenset(),
    Status.FAILED: frozenset(),
    Status.CANCELLED: frozenset(),
}
"""From each status, the statuses that one guarded UPDATE in ``transitions`` may move a row to."""


class RefusalReason(StrEnum):
    """Why staff cannot step in as they asked to: what the job was when they did."""

    ENDED = "ended"
    RUNNING = "running"
    HELD = "held"
    NOT_HELD = "not_held"
    DUE_ALREADY = "due_already"
    """It waits for its turn, and nothing could be sooner."""
    NOT_FAILED = "not_failed"
    """Only a failed job is tried again: a completed one is done, a cancelled one was stopped on purpose."""
    RETRIED = "retried"
    """Another job has tried it again; if that failed, it is the one to retry."""
    REDACTED = "redacted"
    """Whom it was about is no longer known."""
    UNKNOWN_ACTION = "unknown_action"
    """Its action is no longer registered."""
    BULK_CHANGE = "staff_order"
    """It changes jobs in the name of the member of staff who asked for that; whoever wants it again asks anew."""
    ACTIVE_JOB = "active_job"
    """The action is unique, and another job for the same reference waits or runs."""


ACTIVE: Final = (Status.SCHEDULED, Status.RUNNING)
