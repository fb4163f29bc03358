"""The admin of projects; a host with its own project model registers that itself, with :class:`ProjectJobsMixin`."""

from typing import Any, Final

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.translation import gettext as translated
from django.utils.translation import gettext_lazy as _

from ..models import Job
from .base import display, job_summary
from .base.buttons import ButtonsMixin, OwnFiltersMixin
from .base.display import CREATED, CREATED_BRIEFLY, NAME, ORGANIZATION

KEY: Final = display.column(display.text, "key", _("key"))

# The page lists each job that would be deleted.
MOST_JOBS: Final = 200

Deleted = tuple[list[Any], dict[Any, Any], set[Any], list[Any]]
"""What ``ModelAdmin.get_deleted_objects`` returns."""


class ProjectJobsMixin(ButtonsMixin):
    """For any project's ``ModelAdmin``: its page shows how its jobs stand.

    A project cannot be deleted while jobs of it wait or run, or with more jobs than a request should delete. Who may
    delete it may delete its ended jobs with it.
    """

    change_form_template = "admin/jobs/project/change_form.html"

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Deleted:
        """Count the jobs of each before Django collects all that would be deleted."""
        found = [reason for project in objs if (reason := _why_it_stays(project))]
        if found:
            return [], {}, set(), found
        deleted, counts, missing, kept = super().get_deleted_objects(objs, request)
        return deleted, counts, {name for name in missing if name != Job._meta.verbose_name}, kept

    def form_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        context = super().form_context(request, row)
        if row is not None:
            context["jobs_summary"] = job_summary.of_project(request, self.admin_site.name, row)
        return context


class EditedRowsMixin(OwnFiltersMixin):
    """Lists and forms of projects and organizations, which staff add and rename."""

    list_per_page = 50
    list_max_show_all = 50
    actions = None  # nothing is deleted from the list

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Add the translated label; the models have none."""
        labels = {"name": _("Name"), "organization": _("Organization")}
        label = {"label": labels[db_field.name]} if db_field.name in labels else {}
        return super().formfield_for_dbfield(db_field, request, **{**label, **kwargs})


class ProjectAdminMixin(ProjectJobsMixin, EditedRowsMixin):
    """The pages of the app's own projects; mix it with the ``ModelAdmin`` of your theme."""

    list_display = (NAME, ORGANIZATION, KEY, CREATED_BRIEFLY)
    list_select_related = ("organization",)
    search_fields = ("name", "key", "organization__name")
    search_help_text = _("Finds projects by a part of their name, their key or their organization's name.")
    autocomplete_fields = ("organization",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Show the key of a stored project only: the default of a new form is never stored."""
        return [ORGANIZATION, "name", KEY, CREATED] if obj else ["organization", "name"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Fix the organization: keys of the first one would open the project in another one too."""
        return [ORGANIZATION, KEY, CREATED] if obj else []


class ProjectAdmin(ProjectAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]  # takes none at run time
    """Projects in Django's own admin, for hosts without a project model of their own."""


def _why_it_stays(project: Any) -> str:
    """Return why staff cannot delete a project now; empty: they can."""
    jobs = Job.objects.in_project(project).order_by()
    if active := jobs.active().count():
        return translated("%(jobs)d jobs of %(project)s that wait or run") % {"jobs": active, "project": project}
    if jobs[: MOST_JOBS + 1].count() > MOST_JOBS:
        words = translated("the jobs of %(project)s, which are more than %(most)d: empty it by %(command)s first")
        command = f"manage.py prunejobs --project {project.key} --now"
        return words % {"project": project, "most": MOST_JOBS, "command": command}
    return ""


def protected(rows: list[models.Model], words: Any) -> Deleted:
    """Return what the delete page shows for rows that must stay: nothing to delete, and what protects each."""
    return [], {}, set(), [words % row for row in rows]
