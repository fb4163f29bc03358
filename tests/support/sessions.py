"""Recorded sessions of the reference host's users, for jobs that erase them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from jobsite.models import Session, SessionEvent


def record_sessions(project: Any, user: str, count: int) -> None:
    """Insert sessions of one user, each with an event."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    sessions = [Session(project=project, user_id=user, started_at=at, duration=timedelta(0)) for _ in range(count)]
    Session.objects.bulk_create(sessions)
    SessionEvent.objects.bulk_create(SessionEvent(session=session, at=at, kind="click") for session in sessions)
