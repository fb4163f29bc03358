"""Jobs: find one in seconds, understand it, step in."""

from django.contrib import admin

from .add import AddsJobs
from .bulk import ChangesManyJobs
from .detail import JobPageMixin
from .overview import OverviewMixin


class JobAdminMixin(AddsJobs, ChangesManyJobs, OverviewMixin, JobPageMixin):
    """All that the jobs' pages do; mix it with the ``ModelAdmin`` of your theme."""


class JobAdmin(JobAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]  # takes none at run time
    """Jobs in Django's own admin."""
