"""The use cases, as verbs; every door calls these and decides nothing itself."""

from .batches import MOST_JOBS, request_jobs
from .calls import Call, Scheduled, call_of, find_replay
from .explaining import Wait, Waiting, explain_wait
from .health import Beat, Bounds, Health, Late, check_health
from .history import MOST_EVENTS, Attempt, Event, History, get_history
from .importing import Imported, Refused, import_jobs
from .jobs import cancel_job, get_job, list_jobs, look_at_job
from .keys import (
    Access,
    NewKey,
    check_api_key,
    create_api_key,
    find_access,
    list_api_keys,
    revoke_api_key,
    rotate_api_key,
)
from .listing import Page, list_page
from .pauses import list_pauses, name_of_scope, pause_jobs, resume_all_jobs, resume_jobs, scope_of
from .projects import (
    create_project,
    disable_organization,
    enable_organization,
    find_project,
    get_organization,
    get_project,
    get_project_by_key,
    get_project_model,
    organization_id_of,
    public_id_of,
)
from .pruning import Pruned, count_to_delete, count_to_redact, delete_jobs, pruned_before, redact_jobs
from .readiness import is_ready
from .reference import Source
from .scheduling import Wanted, request_job, schedule_job
from .searches import JobOrder, JobSearch, Place

__all__ = [
    "MOST_EVENTS",
    "MOST_JOBS",
    "Access",
    "Attempt",
    "Beat",
    "Bounds",
    "Call",
    "Event",
    "Health",
    "History",
    "Imported",
    "JobOrder",
    "JobSearch",
    "Late",
    "NewKey",
    "Page",
    "Place",
    "Pruned",
    "Refused",
    "Scheduled",
    "Source",
    "Wait",
    "Waiting",
    "Wanted",
    "call_of",
    "cancel_job",
    "check_api_key",
    "check_health",
    "count_to_delete",
    "count_to_redact",
    "create_api_key",
    "create_project",
    "delete_jobs",
    "disable_organization",
    "enable_organization",
    "explain_wait",
    "find_access",
    "find_project",
    "find_replay",
    "get_history",
    "get_job",
    "get_organization",
    "get_project",
    "get_project_by_key",
    "get_project_model",
    "import_jobs",
    "is_ready",
    "list_api_keys",
    "list_jobs",
    "list_page",
    "list_pauses",
    "look_at_job",
    "name_of_scope",
    "organization_id_of",
    "pause_jobs",
    "pruned_before",
    "public_id_of",
    "redact_jobs",
    "request_job",
    "request_jobs",
    "resume_all_jobs",
    "resume_jobs",
    "revoke_api_key",
    "rotate_api_key",
    "schedule_job",
    "scope_of",
]
