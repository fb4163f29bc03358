"""Organizations and projects; a host that has its own Project model registers that itself."""

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from .. import services
from ..models import Job, Organization, Project
from .pages import ModelAdmin

Deleted = tuple[list[Any], dict[Any, Any], set[Any], list[Any]]


class KeepsProjectsWithJobs(ModelAdmin):
    """For any project's ``ModelAdmin``: one with jobs cannot be deleted, and saying so takes one query.

    Django's own answer to ``PROTECT`` would load every job and print it.
    """

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Deleted:
        """Look for one job of each project before looking for all that would go with it."""
        kept = [project for project in objs if Job.objects.in_project(project).exists()]
        return _kept(kept, _("the jobs of %s")) if kept else super().get_deleted_objects(objs, request)


@admin.register(Organization)
class OrganizationAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """The customers."""

    list_display = ("name", "created_at")
    search_fields = ("name",)
    search_help_text = _("Finds organizations by a part of their name.")
    actions = None  # nothing is deleted by ticking

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Show when it was made and whether it is disabled, once it is made."""
        return ["name", "created_at", "disabled_at"] if obj else ["name"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return what only the app writes."""
        return ["created_at", "disabled_at"] if obj else []

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Deleted:
        """Look for one project of each before looking for all that would go with it."""
        projects = services.get_project_model()._default_manager
        kept = [organization for organization in objs if projects.filter(organization=organization).exists()]
        return _kept(kept, _("the projects of %s")) if kept else super().get_deleted_objects(objs, request)


# Where the host has its own Project, this one is swapped out and Django ignores its registration.
@admin.register(Project)
class ProjectAdmin(KeepsProjectsWithJobs, admin.ModelAdmin):  # type: ignore[type-arg]
    """The projects of a host that has no model of its own for them."""

    list_display = ("name", "organization", "key", "created_at")
    list_select_related = ("organization",)
    search_fields = ("name", "key", "organization__name")
    search_help_text = _("Finds projects by a part of their name, their key or their organization's name.")
    autocomplete_fields = ("organization",)
    actions = None  # nothing is deleted by ticking

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Show the key once there is one; the form of a new project would show one that is never stored."""
        return ["organization", "name", "key", "created_at"] if obj else ["organization", "name"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return what never changes; with another organization, the keys of the first would open it."""
        return ["organization", "key", "created_at"] if obj else []


def _kept(rows: list[models.Model], words: Any) -> Deleted:
    return [], {}, set(), [words % row for row in rows]
