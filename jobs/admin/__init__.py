"""The door for staff: pages that only show, and buttons that call services.

Hosts with a Project of their own register it themselves; :class:`KeepsProjectsWithJobs`
is for their ``ModelAdmin``.
"""

from .api_keys import ApiKeyAdmin, ApiKeyAdminMixin
from .jobs import JobAdmin, JobAdminMixin
from .pauses import PauseAdmin, PauseAdminMixin
from .projects import KeepsProjectsWithJobs, OrganizationAdmin, ProjectAdmin

__all__ = [
    "ApiKeyAdmin",
    "ApiKeyAdminMixin",
    "JobAdmin",
    "JobAdminMixin",
    "KeepsProjectsWithJobs",
    "OrganizationAdmin",
    "PauseAdmin",
    "PauseAdminMixin",
    "ProjectAdmin",
]
