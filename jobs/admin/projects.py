"""Projects; a host that has a model of its own for them registers that itself, with :class:`ProjectJobsMixin`."""

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from ..models import Job
from .base import display, job_summary
from .base.buttons import ButtonsMixin

NAME = display.column(display.text, "name", _("name"))
ORGANIZATION = display.column(display.named, "organization", _("organization"))
KEY = display.column(display.text, "key", _("key"))
CREATED = display.column(display.moment, "created_at", _("created"))
CREATED_BRIEFLY = display.column(display.brief_moment, "created_at", _("created"))

Deleted = tuple[list[Any], dict[Any, Any], set[Any], list[Any]]


class ProjectJobsMixin(ButtonsMixin):
    """For any project's ``ModelAdmin``: its page says how its jobs stand, and one with jobs cannot be deleted.

    Django's own answer to ``PROTECT`` would load every job and print it.
    """

    change_form_template = "admin/jobs/project/change_form.html"

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Deleted:
        """Look for one job of each project before looking for all that would go with it."""
        found = [project for project in objs if Job.objects.in_project(project).exists()]
        return kept(found, _("the jobs of %s")) if found else super().get_deleted_objects(objs, request)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        """Show the project with its jobs."""
        if obj is not None:
            context["jobs_summary"] = job_summary.of_project(request, self.admin_site.name, obj)
        return super().render_change_form(request, context, add, change, form_url, obj)


class ProjectAdminMixin(ProjectJobsMixin):
    """All that the pages of our own projects do; mix it with the ``ModelAdmin`` of your theme."""

    list_display = (NAME, ORGANIZATION, KEY, CREATED_BRIEFLY)
    list_select_related = ("organization",)
    list_per_page = 50
    list_max_show_all = 50
    search_fields = ("name", "key", "organization__name")
    search_help_text = _("Finds projects by a part of their name, their key or their organization's name.")
    autocomplete_fields = ("organization",)
    actions = None  # nothing is deleted by ticking

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Show the key once there is one; the form of a new project would show one that is never stored."""
        return [ORGANIZATION, "name", KEY, CREATED] if obj else ["organization", "name"]

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Ask in words that are translated."""
        return super().formfield_for_dbfield(db_field, request, **{**labelled(db_field), **kwargs})

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return what never changes; with another organization, the keys of the first would open it."""
        return [ORGANIZATION, KEY, CREATED] if obj else []


class ProjectAdmin(ProjectAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]  # takes none at run time
    """The projects of a host that has no model of its own for them."""


def labelled(db_field: Any) -> dict[str, Any]:
    """Return the label of a field of an organization or a project, whose models name none."""
    labels = {"name": _("Name"), "organization": _("Organization")}
    return {"label": labels[db_field.name]} if db_field.name in labels else {}


def kept(rows: list[models.Model], words: Any) -> Deleted:
    """Return what a page of deletion shows when rows must be kept: nothing that would go, and why."""
    return [], {}, set(), [words % row for row in rows]
