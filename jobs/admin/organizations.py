"""The admin of organizations: how their jobs stand; staff can disable and enable one."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

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
from .base.display import CREATED, CREATED_BRIEFLY, NAME
from .projects import Deleted, EditedRowsMixin, protected

DISABLED_BRIEFLY: Final = display.column(display.brief_moment, "disabled_at", _("disabled since"))
DISABLED: Final = display.column(display.moment, "disabled_at", _("disabled since"))


@dataclass(frozen=True, kw_only=True)
class _Switch:
    """Disabling or enabling: the service, which finds the organization by its name, and the messages."""

    is_needed: Callable[[Organization], bool]
    service: Callable[[str], Any]
    already: Any
    logged: Any
    done: Any


# By the name in the URL.
SWITCHES: Final = {
    "disable": _Switch(
        is_needed=lambda organization: organization.disabled_at is None,
        service=disable_organization,
        already=_("The organization was disabled before."),
        logged=_("Disabled."),
        done=_("Disabled: its API keys are refused from now on, and no job of its projects is started."),
    ),
    "enable": _Switch(
        is_needed=lambda organization: organization.disabled_at is not None,
        service=enable_organization,
        already=_("The organization was not disabled."),
        logged=_("Enabled."),
        done=_("Enabled: its API keys work again, and its jobs go on."),
    ),
}


class OrganizationAdminMixin(EditedRowsMixin):
    """The pages of organizations; mix it with the ``ModelAdmin`` of your theme."""

    list_display = (NAME, CREATED_BRIEFLY, DISABLED_BRIEFLY)
    search_fields = ("name",)
    search_help_text = _("Finds organizations by a part of their name.")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return ["name", CREATED, DISABLED] if obj else ["name"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return [CREATED, DISABLED] if obj else []

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Deleted:
        """Check for one project of each before Django collects all that would be deleted."""
        projects = get_project_model()._default_manager
        found = [organization for organization in objs if projects.filter(organization=organization).exists()]
        return protected(found, _("the projects of %s")) if found else super().get_deleted_objects(objs, request)

    def has_disable_permission(self, request: HttpRequest) -> bool:
        """Whether this user may disable and enable organizations (``jobs.disable_organization``)."""
        return self.has_permission_to("disable", request)

    def button_urls(self) -> list[URLPattern]:
        ours = (self.button_url(verb, partial(self._switch, verb)) for verb in SWITCHES)
        return [*super().button_urls(), *ours]

    def form_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Add the organization's jobs and, for those who may use it, the button."""
        context = super().form_context(request, row)
        if row is not None:
            context["jobs_summary"] = job_summary.of_organization(request, self.admin_site.name, row)
            if self.has_disable_permission(request):
                verb = "disable" if row.disabled_at is None else "enable"
                context[f"{verb}_url"] = self.url_of(verb, quote(row.pk))
        return context

    def _switch(self, verb: str, request: HttpRequest, object_id: str) -> HttpResponse:
        """Disable or enable an organization, and show its page again."""
        switch = SWITCHES[verb]
        organization = self.get_row(request, object_id, may=self.has_disable_permission(request))
        if request.method != "POST":
            return self.to_page_of(organization)
        is_needed = switch.is_needed(organization)
        try:
            if is_needed:
                switch.service(organization.name)
                self.log_change(request, organization, str(switch.logged))
        except InvalidField:
            words = translated("Nothing was changed: the organization has another name by now. Try again.")
            self.message_user(request, words, messages.WARNING)
        else:
            done = (switch.done, messages.SUCCESS) if is_needed else (switch.already, messages.WARNING)
            self.message_user(request, *done)
        return self.to_page_of(organization)


class OrganizationAdmin(OrganizationAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]  # takes none at run time
    """Organizations in Django's own admin."""
