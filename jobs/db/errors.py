"""What a database error means: a conflict, an outage, too slow, or our mistake."""

from enum import Enum, auto

from django.db import InterfaceError

from .connection import driver, jobs_connection


class ErrorKind(Enum):
    """What to do about a database error."""

    CONFLICT = auto()
    """Another transaction was in the way: the same again may succeed."""
    TOO_SLOW = auto()
    """A statement ran into its limit: less at once may succeed."""
    OUTAGE = auto()
    """The database is away, full or read-only: reconnect, wait, try again."""
    OTHER = auto()
    """A mistake of the statement's or of the data's: trying again cannot help."""


def kind_of(error: BaseException) -> ErrorKind:
    """Say what a database error means, by SQLSTATE or SQLite's result code; Django's classes mislead.

    Source: PostgreSQL, Appendix A (Error Codes); SQLite, "Result and Extended Result Codes".
    """
    cause = error.__cause__ or error
    sqlite = getattr(cause, "sqlite_errorcode", None)
    if sqlite is not None:
        # 5 BUSY, 6 LOCKED; 8 READONLY, 10 IOERR, 13 FULL, 14 CANTOPEN.
        primary = sqlite & 0xFF
        if primary in (5, 6):
            return ErrorKind.CONFLICT
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
    """Whether another row is in the way; any other broken constraint stays broken, however often it is tried."""
    cause = error.__cause__ or error
    # 2067 CONSTRAINT_UNIQUE, 1555 CONSTRAINT_PRIMARYKEY.
    return getattr(cause, "sqlstate", None) == "23505" or getattr(cause, "sqlite_errorcode", None) in (2067, 1555)


def is_lock_timeout(error: BaseException) -> bool:
    """Whether a row was locked for longer than we wait; a savepoint is enough to go on from it (PostgreSQL)."""
    return getattr(error.__cause__ or error, "sqlstate", None) == "55P03"
