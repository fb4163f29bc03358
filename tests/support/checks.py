"""Runs the system checks of jobs."""

from typing import Any

from django.core.checks import run_checks


def messages_of(check_id: str, *, deploy: bool = False, databases: tuple[str, ...] = ()) -> list[Any]:
    """Return the messages of one id; with ``deploy`` also those of a check for deployment."""
    messages = run_checks(tags=["jobs"], include_deployment_checks=deploy, databases=list(databases))
    return [message for message in messages if message.id == check_id]
