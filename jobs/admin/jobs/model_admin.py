"""The admin of jobs: the list, the page of one job, interventions, bulk changes, the overview and the erase maps."""

from django.contrib import admin

from .add import AddJobMixin
from .bulk import BulkChangeMixin
from .erasure import EraseMapsMixin
from .overview import OverviewMixin


class JobAdminMixin(AddJobMixin, BulkChangeMixin, OverviewMixin, EraseMapsMixin):
    """The pages of jobs; mix it with the ``ModelAdmin`` of your theme."""


class JobAdmin(JobAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]  # takes none at run time
    """Jobs in Django's own admin."""
