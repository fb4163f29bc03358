"""The five statuses of a job and the moves between them (the lifecycle, drawn in the README)."""

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
        return not MOVES[self]


MOVES: Final[dict[Status, frozenset[Status]]] = {
    Status.SCHEDULED: frozenset({Status.RUNNING, Status.CANCELLED}),
    Status.RUNNING: frozenset({Status.SCHEDULED, Status.COMPLETED, Status.FAILED, Status.CANCELLED}),
    Status.COMPLETED: frozenset(),
    Status.FAILED: frozenset(),
    Status.CANCELLED: frozenset(),
}
"""From each status, the statuses that one guarded UPDATE in ``transitions`` may move a row to."""

ACTIVE: Final = (Status.SCHEDULED, Status.RUNNING)
