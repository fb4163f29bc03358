"""The transaction of a command, which turns database errors into typed errors for the caller."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import Error as DjangoDatabaseError

from ...db import failpoints
from ...db.connection import jobs_connection, service_transaction
from ...db.errors import ErrorKind, is_lock_timeout, kind_of
from ...exceptions import Busy, ConcurrentChange, OutcomeUnknown


@contextmanager
def command_transaction(*, failpoint: str, wait_seconds: float | None = None) -> Iterator[None]:
    """Commit what the block does, and reach the failpoint ``failpoint``.

    Raises:
        Busy, ConcurrentChange: another transaction was in the way; the second, if the host's transaction is spoilt.
        OutcomeUnknown: the database was lost at the commit.
    """
    within_host = jobs_connection().in_atomic_block
    is_commit_asked = False
    try:
        with service_transaction(wait_seconds=wait_seconds):
            yield
            is_commit_asked = not within_host
        failpoints.reach(failpoint)  # an error there is an answer to the COMMIT that was lost
    except DjangoDatabaseError as error:
        trouble = kind_of(error)
        if trouble is ErrorKind.CONFLICT:
            # A lock that was not free in time spoils nothing; any other conflict has spoilt the host's transaction.
            raise (ConcurrentChange() if within_host and not is_lock_timeout(error) else Busy()) from error
        if trouble is ErrorKind.OUTAGE and is_commit_asked:
            raise OutcomeUnknown from error
        raise
