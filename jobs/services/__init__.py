"""The use cases, as verbs; every door calls these and decides nothing itself."""

from .batches import MOST_JOBS, request_jobs
from .calls import Call, Scheduled, call_of, find_replay
from .explaining import Wait, Waiting, explain_wait, explain_waits
from .health import Beat, Bounds, Concern, Health, Late, check_health
from .history import MOST_EVENTS, Attempt, Event, History, get_history
from .importing import Imported, Refused, import_jobs
from .jobs import cancel_job, get_job, list_jobs, look_at_job
from .keys import (
    Access,
    NewKey,
    check_api_key,
    create_api_key,
    find_access,
    find_replacement,
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
from .roles import ROLES, RoleChange, make_roles
from .scheduling import Wanted, request_job, schedule_job
from .searches import JobOrder, JobSearch, Place
from .statistics import SPANS, Overview, Period, Span, get_overview
from .steps import hold_job, resume_job, retry_job, retry_many, run_job_now
from .summaries import (
    MOST_COUNTED,
    OrganizationJobs,
    ProjectJobs,
    newest_failures,
    summarize_organization,
    summarize_project,
)

__all__ = [
    "MOST_COUNTED",
    "MOST_EVENTS",
    "MOST_JOBS",
    "ROLES",
    "SPANS",
    "Access",
    "Attempt",
    "Beat",
    "Bounds",
    "Call",
    "Concern",
    "Event",
    "Health",
    "History",
    "Imported",
    "JobOrder",
    "JobSearch",
    "Late",
    "NewKey",
    "OrganizationJobs",
    "Overview",
    "Page",
    "Period",
    "Place",
    "ProjectJobs",
    "Pruned",
    "Refused",
    "RoleChange",
    "Scheduled",
    "Source",
    "Span",
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
    "explain_waits",
    "find_access",
    "find_project",
    "find_replacement",
    "find_replay",
    "get_history",
    "get_job",
    "get_organization",
    "get_overview",
    "get_project",
    "get_project_by_key",
    "get_project_model",
    "hold_job",
    "import_jobs",
    "is_ready",
    "list_api_keys",
    "list_jobs",
    "list_page",
    "list_pauses",
    "look_at_job",
    "make_roles",
    "name_of_scope",
    "newest_failures",
    "organization_id_of",
    "pause_jobs",
    "pruned_before",
    "public_id_of",
    "redact_jobs",
    "request_job",
    "request_jobs",
    "resume_all_jobs",
    "resume_job",
    "resume_jobs",
    "retry_job",
    "retry_many",
    "revoke_api_key",
    "rotate_api_key",
    "run_job_now",
    "schedule_job",
    "scope_of",
    "summarize_organization",
    "summarize_project",
]
