"""The use cases, as verbs; every door calls these and decides nothing itself."""

from .jobs import cancel_job, get_job, list_jobs, schedule_job
from .keys import Access, NewKey, check_api_key, create_api_key, find_access, list_api_keys, revoke_api_key
from .projects import create_project, get_organization, get_project, get_project_model, public_id_of

__all__ = [
    "Access",
    "NewKey",
    "cancel_job",
    "check_api_key",
    "create_api_key",
    "create_project",
    "find_access",
    "get_job",
    "get_organization",
    "get_project",
    "get_project_model",
    "list_api_keys",
    "list_jobs",
    "public_id_of",
    "revoke_api_key",
    "schedule_job",
]
