"""The door for staff: pages that only show, and buttons that call services.

Each page is a mixin for the ``ModelAdmin`` of any theme, to be named before it; the classes
beside them are these mixins in Django's own. ``JOBS["ADMIN_REGISTER"] = False`` leaves it to
the host to register its own. Hosts with a Project of their own do so in any case:
:class:`ProjectJobsMixin` is for their ``ModelAdmin``.
"""

from typing import Any, Final

from django.contrib import admin
from django.core.exceptions import ImproperlyConfigured
from django.db import models

from .. import conf
from ..models import ApiKey, Job, Organization, Pause, Project
from .api_keys.model_admin import ApiKeyAdmin, ApiKeyAdminMixin
from .jobs.model_admin import JobAdmin, JobAdminMixin
from .organizations import OrganizationAdmin, OrganizationAdminMixin
from .pauses import PauseAdmin, PauseAdminMixin
from .projects import ProjectAdmin, ProjectAdminMixin, ProjectJobsMixin

__all__ = [
    "ApiKeyAdmin",
    "ApiKeyAdminMixin",
    "JobAdmin",
    "JobAdminMixin",
    "OrganizationAdmin",
    "OrganizationAdminMixin",
    "PauseAdmin",
    "PauseAdminMixin",
    "ProjectAdmin",
    "ProjectAdminMixin",
    "ProjectJobsMixin",
]

PAGES: Final[dict[type[models.Model], Any]] = {
    ApiKey: ApiKeyAdmin,
    Job: JobAdmin,
    Organization: OrganizationAdmin,
    Pause: PauseAdmin,
    Project: ProjectAdmin,  # swapped out by hosts that have their own; Django then ignores it
}


def is_ours_to_register() -> bool:
    """Whether the host leaves it to us; settings that cannot work are for ``jobs.E001`` to tell."""
    try:
        return conf.current().admin_register
    except ImproperlyConfigured:
        return True


if is_ours_to_register():
    for model, pages in PAGES.items():
        admin.site.register(model, pages)
