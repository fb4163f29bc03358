"""Durable, cancellable, proven long-running work on people's data, for Django.

``import jobs`` works before Django is set up; each name below is loaded on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .actions import action
    from .context import JobContext
    from .exceptions import JobCancelled, JobFailed
    from .services import cancel_job, get_job, get_project_model, list_jobs, schedule_job
    from .status import Status

__all__ = [
    "JobCancelled",
    "JobContext",
    "JobFailed",
    "Status",
    "action",
    "cancel_job",
    "get_job",
    "get_project_model",
    "list_jobs",
    "schedule_job",
]

_HOMES: Final = {
    "action": "actions",
    "JobContext": "context",
    "JobCancelled": "exceptions",
    "JobFailed": "exceptions",
    "Status": "status",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES.get(name, 'services')}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
