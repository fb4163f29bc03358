"""The admin of projects; a host with its own project model registers that itself, with :class:`ProjectJobsMixin`."""

from typing import Any, Final

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from ..models import Job
from .base import display, job_summary
from .base.buttons import ButtonsMixin

NAME: Final = display.column(display.text, "name", _("name"))
ORGANIZATION: Final = display.column(display.named, "organization", _("organization"))
KEY: Final = display.column(display.text, "key", _("key"))
CREATED: Final = display.column(display.moment, "created_at", _("created"))
CREATED_BRIEFLY: Final = display.column(display.brief_moment, "created_at", _("created"))

Deleted = tuple[list[Any], dict[Any, Any], set[Any], list[Any]]
"""What ``ModelAdmin.get_deleted_objects`` returns."""


class ProjectJobsMixin(ButtonsMixin):
    """For any project's ``ModelAdmin``: its page shows how its jobs stand, and one with jobs cannot be deleted.

    Without it Django, finding the foreign key protected, would load every job and print it.
    """

    change_form_template = "admin/jobs/project/change_form.html"

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Deleted:
        """Check for one job of each before Django collects all that would be deleted."""
        found = [project for project in objs if Job.objects.in_project(project).exists()]
        return protected(found, _("the jobs of %s")) if found else super().get_deleted_objects(objs, request)

    def form_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Add the project's jobs."""
        context = super().form_context(request, row)
        if row is not None:
            context["jobs_summary"] = job_summary.of_project(request, self.admin_site.name, row)
        return context


class ProjectAdminMixin(ProjectJobsMixin):
    """The pages of the app's own projects; mix it with the ``ModelAdmin`` of your theme."""

    list_display = (NAME, ORGANIZATION, KEY, CREATED_BRIEFLY)
    list_select_related = ("organization",)
    list_per_page = 50
    list_max_show_all = 50
    search_fields = ("name", "key", "organization__name")
    search_help_text = _("Finds projects by a part of their name, their key or their organization's name.")
    autocomplete_fields = ("organization",)
    actions = None  # nothing is deleted from the list

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Show the key of a stored project only: the default of a new form is never stored."""
        return [ORGANIZATION, "name", KEY, CREATED] if obj else ["organization", "name"]

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        return super().formfield_for_dbfield(db_field, request, **{**field_label(db_field), **kwargs})

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Fix the organization: keys of the first one would open the project in another one too."""
        return [ORGANIZATION, KEY, CREATED] if obj else []


class ProjectAdmin(ProjectAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]  # takes none at run time
    """Projects in Django's own admin, for hosts without a project model of their own."""


def field_label(db_field: Any) -> dict[str, Any]:
    """Return the translated label of a form field; the models of organizations and projects have none."""
    labels = {"name": _("Name"), "organization": _("Organization")}
    return {"label": labels[db_field.name]} if db_field.name in labels else {}


def protected(rows: list[models.Model], words: Any) -> Deleted:
    """Return what the delete page shows for rows that must stay: nothing to delete, and what protects each."""
    return [], {}, set(), [words % row for row in rows]
