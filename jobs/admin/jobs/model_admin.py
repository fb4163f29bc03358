"""The admin of jobs: the list, the page of one job, interventions, bulk changes and the overview."""

from django.contrib import admin

from .add import AddJobMixin
from .bulk import BulkChangeMixin
from .detail import JobPageMixin
from .overview import OverviewMixin


class JobAdminMixin(AddJobMixin, BulkChangeMixin, OverviewMixin, JobPageMixin):
    """The pages of jobs; mix it with the ``ModelAdmin`` of your theme."""


class JobAdmin(JobAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]  # takes none at run time
    """Jobs in Django's own admin."""
