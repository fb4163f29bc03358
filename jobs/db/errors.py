"""The kinds of database errors: conflict, timeout, outage or mistake."""

from enum import Enum, auto

from django.db import InterfaceError

from .connection import driver, jobs_connection


class ErrorKind(Enum):
    """What to do about a database error."""

    CONFLICT = auto()
    """Another transaction was in the way: the same again may succeed."""
    TOO_SLOW = auto()
    """A statement ran into its timeout: less at once may succeed."""
    OUTAGE = auto()
    """The database is away, full or read-only: reconnect, wait, try again."""
    OTHER = auto()
    """A mistake in the statement or the data: the same again cannot succeed."""


def kind_of(error: BaseException) -> ErrorKind:
    """Return the kind of a database error, by SQLSTATE or SQLite's result code; Django's classes do not tell.

    Source: PostgreSQL, Appendix A (Error Codes); SQLite, "Result and Extended Result Codes".
    """
    cause = error.__cause__ or error
    sqlite = getattr(cause, "sqlite_errorcode", None)
    if sqlite is not None:
        # 5 BUSY, 6 LOCKED; 8 READONLY, 10 IOERR, 13 FULL, 14 CANTOPEN; 9 INTERRUPT, by a limit of time.
        primary = sqlite & 0xFF
        if primary in (5, 6):
            return ErrorKind.CONFLICT
        if primary == 9:
            return ErrorKind.TOO_SLOW
        return ErrorKind.OUTAGE if primary in (8, 10, 13, 14) else ErrorKind.OTHER
    state = getattr(cause, "sqlstate", None) or ""
    if state in ("40001", "40P01", "55P03"):
        return ErrorKind.CONFLICT
    if state == "57014":
        return ErrorKind.TOO_SLOW
    if state[:2] in ("08", "53") or state[:3] == "57P" or state in ("25P03", "25006"):
        return ErrorKind.OUTAGE
    # psycopg gives no SQLSTATE when the connection itself is gone.
    psycopg = driver(jobs_connection())
    gone = not state and isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError)
    return ErrorKind.OUTAGE if gone or isinstance(error, InterfaceError) else ErrorKind.OTHER


def takes_no_writes(error: BaseException) -> bool:
    """Whether the database answers, but is read-only or its disk full or failing."""
    cause = error.__cause__ or error
    code = getattr(cause, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in (8, 10, 13)
    return getattr(cause, "sqlstate", None) in ("25006", "53100")


def is_unique_violation(error: BaseException) -> bool:
    """Whether a unique constraint was violated; of other constraints, a second try violates them again."""
    cause = error.__cause__ or error
    # 2067 CONSTRAINT_UNIQUE, 1555 CONSTRAINT_PRIMARYKEY.
    return getattr(cause, "sqlstate", None) == "23505" or getattr(cause, "sqlite_errorcode", None) in (2067, 1555)


def is_lock_timeout(error: BaseException) -> bool:
    """Whether a lock was not free within ``lock_timeout`` (PostgreSQL); rolling back to a savepoint is enough."""
    return getattr(error.__cause__ or error, "sqlstate", None) == "55P03"
