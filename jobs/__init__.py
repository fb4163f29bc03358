"""Long-running jobs on people's data for Django: durable, cancellable and verified.

``import jobs`` works before Django is set up: each public name is imported on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .actions import action
    from .exceptions import JobCancelled, JobFailed
    from .execution.context import JobContext
    from .services.commands.cancel import cancel_job
    from .services.commands.interventions import hold_job, resume_job
    from .services.commands.schedule import schedule_job
    from .services.search.jobs import get_job, list_jobs
    from .services.tenants.api_keys import create_api_key, revoke_api_key
    from .services.tenants.projects import create_project, get_project_model
    from .status import Status

__all__ = [
    "JobCancelled",
    "JobContext",
    "JobFailed",
    "Status",
    "action",
    "cancel_job",
    "create_api_key",
    "create_project",
    "get_job",
    "get_project_model",
    "hold_job",
    "list_jobs",
    "resume_job",
    "revoke_api_key",
    "schedule_job",
]

_MODULES: Final = {
    "actions": ("action",),
    "exceptions": ("JobCancelled", "JobFailed"),
    "execution.context": ("JobContext",),
    "services.commands.cancel": ("cancel_job",),
    "services.commands.interventions": ("hold_job", "resume_job"),
    "services.commands.schedule": ("schedule_job",),
    "services.search.jobs": ("get_job", "list_jobs"),
    "services.tenants.api_keys": ("create_api_key", "revoke_api_key"),
    "services.tenants.projects": ("create_project", "get_project_model"),
    "status": ("Status",),
}


def __getattr__(name: str) -> object:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
