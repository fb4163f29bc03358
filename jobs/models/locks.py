"""Row locks that do not wait: the only place that asks the ORM for SKIP LOCKED."""

from ..db.connection import jobs_connection, supports_row_locks
from .job import JobQuerySet


def skip_locked(rows: JobQuerySet) -> JobQuerySet:
    """Return ``rows`` by ascending id; reading them locks them and leaves out those that others have locked.

    ``no_key``: foreign-key inserts of others do not wait. Without row locks, all rows are read and none is locked.
    """
    rows = rows.order_by("pk")
    return rows.select_for_update(skip_locked=True, no_key=True) if supports_row_locks(jobs_connection()) else rows


def unlocked(rows: JobQuerySet) -> JobQuerySet:
    """Lock those of ``rows`` that no other transaction has locked, and return them, to be updated or deleted.

    Without row locks this sends nothing, so that the transaction starts with its write.
    """
    if not supports_row_locks(jobs_connection()):
        return rows
    return rows.filter(pk__in=list(skip_locked(rows).values_list("pk", flat=True)))
