"""Lock rows that nobody else has locked: the one place that writes SKIP LOCKED."""

from ..db.connection import home, supports_row_locks
from .job import JobQuerySet


def unlocked(rows: JobQuerySet) -> JobQuerySet:
    """Lock those rows that nobody else has locked, by ascending id, and return them.

    ``no_key``: foreign-key inserts of others are not held up. Without row locks the rows
    are returned as they are, so that the transaction starts with its write.
    """
    if not supports_row_locks(home()):
        return rows
    locked = rows.select_for_update(skip_locked=True, no_key=True).order_by("pk")
    return rows.filter(pk__in=list(locked.values_list("pk", flat=True)))
