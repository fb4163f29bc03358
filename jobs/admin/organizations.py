"""Organizations, the customers: how their jobs stand, and shutting one out for the time being."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import quote
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.translation import gettext as translated
from django.utils.translation import gettext_lazy as _

from ..exceptions import InvalidField
from ..models import Organization
from ..services.tenants.projects import disable_organization, enable_organization, get_project_model
from .base import display, job_summary
from .base.buttons import ButtonsMixin
from .projects import Deleted, kept, labelled

NAME = display.column(display.text, "name", _("name"))
CREATED = display.column(display.moment, "created_at", _("created"))
CREATED_BRIEFLY = display.column(display.brief_moment, "created_at", _("created"))
DISABLED_BRIEFLY = display.column(display.brief_moment, "disabled_at", _("disabled since"))
DISABLED = display.column(display.moment, "disabled_at", _("disabled since"))


class OrganizationAdminMixin(ButtonsMixin):
    """All that the organizations' pages do; mix it with the ``ModelAdmin`` of your theme."""

    list_display = (NAME, CREATED_BRIEFLY, DISABLED_BRIEFLY)
    list_per_page = 50
    list_max_show_all = 50
    search_fields = ("name",)
    search_help_text = _("Finds organizations by a part of their name.")
    actions = None  # nothing is deleted by ticking

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Show when it was made and whether it is disabled, once it is made."""
        return ["name", CREATED, DISABLED] if obj else ["name"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return what only the app writes."""
        return [CREATED, DISABLED] if obj else []

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Ask in words that are translated."""
        return super().formfield_for_dbfield(db_field, request, **{**labelled(db_field), **kwargs})

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Deleted:
        """Look for one project of each before looking for all that would go with it."""
        projects = get_project_model()._default_manager
        found = [organization for organization in objs if projects.filter(organization=organization).exists()]
        return kept(found, _("the projects of %s")) if found else super().get_deleted_objects(objs, request)

    def has_disable_permission(self, request: HttpRequest) -> bool:
        """Whether this user may disable and enable organizations (``jobs.disable_organization``)."""
        return self.has_permission_to("disable", request)

    def button_urls(self) -> list[URLPattern]:
        """Add the addresses behind the buttons."""
        ours = [self.button_url("disable", self.disable_view), self.button_url("enable", self.enable_view)]
        return [*super().button_urls(), *ours]

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        """Show the organization with its jobs and, to those who may use it, the button."""
        if obj is not None:
            context["jobs_summary"] = job_summary.of_organization(request, self.admin_site.name, obj)
            if self.has_disable_permission(request):
                verb = "disable" if obj.disabled_at is None else "enable"
                context[f"{verb}_url"] = self.url_of(verb, quote(obj.pk))
        return super().render_change_form(request, context, add, change, form_url, obj)

    def disable_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Disable an organization, and show its page again."""
        organization = self.get_row(request, object_id, may=self.has_disable_permission(request))
        if request.method != "POST":
            return self.to_page_of(organization)
        if organization.disabled_at is not None:
            words = translated("The organization was disabled before.")
            self.message_user(request, words, messages.WARNING)
        elif self._is_called_so(request, organization, disable_organization):
            self.log_change(request, organization, translated("Disabled."))
            words = translated("Disabled: its API keys are refused from now on, and no job of its projects is begun.")
            self.message_user(request, words, messages.SUCCESS)
        return self.to_page_of(organization)

    def enable_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Enable an organization, and show its page again."""
        organization = self.get_row(request, object_id, may=self.has_disable_permission(request))
        if request.method != "POST":
            return self.to_page_of(organization)
        if organization.disabled_at is None:
            words = translated("The organization was not disabled.")
            self.message_user(request, words, messages.WARNING)
        elif self._is_called_so(request, organization, enable_organization):
            self.log_change(request, organization, translated("Enabled."))
            words = translated("Enabled: its API keys work again, and its jobs go on.")
            self.message_user(request, words, messages.SUCCESS)
        return self.to_page_of(organization)

    def _is_called_so(self, request: HttpRequest, organization: Organization, change: Any) -> bool:
        """Let a service ``change`` it, which finds it by its name; False: somebody has just given it another one."""
        try:
            change(organization.name)
        except InvalidField:
            words = translated("Nothing was changed: the organization has another name by now. Try again.")
            self.message_user(request, words, messages.WARNING)
            return False
        return True


class OrganizationAdmin(OrganizationAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]  # takes none at run time
    """Organizations in Django's own admin."""
