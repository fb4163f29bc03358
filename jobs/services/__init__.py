"""The use cases, as verbs; every door calls these and decides nothing itself."""

from .health import Beat, Bounds, Health, Late, check_health
from .jobs import cancel_job, get_job, list_jobs
from .keys import Access, NewKey, check_api_key, create_api_key, find_access, list_api_keys, revoke_api_key
from .listing import Page, list_page
from .pauses import list_pauses, name_of_scope, pause_jobs, resume_all_jobs, resume_jobs, scope_of
from .projects import (
    create_project,
    get_organization,
    get_project,
    get_project_by_key,
    get_project_model,
    public_id_of,
)
from .pruning import Pruned, count_to_delete, count_to_redact, delete_jobs, pruned_before, redact_jobs
from .readiness import is_ready
from .scheduling import schedule_job
from .searches import JobOrder, JobSearch, Place

__all__ = [
    "Access",
    "Beat",
    "Bounds",
    "Health",
    "JobOrder",
    "JobSearch",
    "Late",
    "NewKey",
    "Page",
    "Place",
    "Pruned",
    "cancel_job",
    "check_api_key",
    "check_health",
    "count_to_delete",
    "count_to_redact",
    "create_api_key",
    "create_project",
    "delete_jobs",
    "find_access",
    "get_job",
    "get_organization",
    "get_project",
    "get_project_by_key",
    "get_project_model",
    "is_ready",
    "list_api_keys",
    "list_jobs",
    "list_page",
    "list_pauses",
    "name_of_scope",
    "pause_jobs",
    "pruned_before",
    "public_id_of",
    "redact_jobs",
    "resume_all_jobs",
    "resume_jobs",
    "revoke_api_key",
    "schedule_job",
    "scope_of",
]
