"""The admin: read-only pages, with buttons and actions that call services.

Each page is a mixin, to be named before the ``ModelAdmin`` of any theme; the classes without
``Mixin`` combine it with Django's own. With ``JOBS["ADMIN_REGISTER"] = False`` the host registers
its own classes. A host with its own project model registers that in any case, with
:class:`ProjectJobsMixin`.
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
    Project: ProjectAdmin,  # Django ignores it where the host has swapped the model
}


def is_ours_to_register() -> bool:
    """Whether this app registers the pages; invalid settings are reported by the check ``jobs.E001``."""
    try:
        return conf.current().admin_register
    except ImproperlyConfigured:
        return True


if is_ours_to_register():
    for model, pages in PAGES.items():
        admin.site.register(model, pages)
