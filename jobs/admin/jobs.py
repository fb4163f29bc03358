"""Jobs: find one in seconds, understand it, step in."""

from django.contrib import admin
from django.http import HttpRequest

from ..models import Job
from .bulk import ChangesManyJobs
from .job_page import JobPageMixin


class JobAdminMixin(ChangesManyJobs, JobPageMixin):
    """All that the jobs' pages do; mix it with the ``ModelAdmin`` of your theme."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse everybody: jobs are asked for by integrators and host code."""
        return False


@admin.register(Job)
class JobAdmin(JobAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    """Jobs in Django's own admin."""
