"""The five statuses of a job, the transitions between them, and why an intervention is refused."""

from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """The status of a job; the values are those of the REST API."""

    SCHEDULED = "scheduled"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether a job in this status has ended: the status never changes again."""
        return not TRANSITIONS[self]


TRANSITIONS: Final[dict[Status, frozenset[Status]]] = {
    Status.SCHEDULED: frozenset({Status.RUNNING, Status.CANCELLED}),
    Status.RUNNING: frozenset({Status.SCHEDULED, Status.COMPLETED, Status.FAILED, Status.CANCELLED}),
    Status.COMPLETED: frozenset(),
    Status.FAILED: frozenset(),
    Status.CANCELLED: frozenset(),
}
"""From each status, the statuses to which one function of ``lifecycle.transitions`` leads."""


class RefusalReason(StrEnum):
    """Why an intervention was refused: the state of the job at that moment."""

    ENDED = "ended"
    RUNNING = "running"
    HELD = "held"
    NOT_HELD = "not_held"
    DUE_ALREADY = "due_already"
    """It is due and waits for its turn, so it cannot be made due earlier."""
    NOT_FAILED = "not_failed"
    """Only failed jobs can be retried: a completed one is done, a cancelled one was stopped on purpose."""
    RETRIED = "retried"
    """It has been retried; if the retry has failed, that job can be retried."""
    REDACTED = "redacted"
    """It was redacted: its reference is no longer known."""
    UNKNOWN_ACTION = "unknown_action"
    """Its action is no longer registered."""
    BULK_CHANGE = "staff_order"
    """It is a bulk change in the name of one member of staff; request a new one instead. Receipts have this value."""
    ACTIVE_JOB = "active_job"
    """Its action is unique, and another job for the same reference waits or runs."""


ACTIVE: Final = (Status.SCHEDULED, Status.RUNNING)
