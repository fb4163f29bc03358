"""API keys: make one and see its secret once, revoke one; a key is never changed and never deleted."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils.html import format_html
from django.utils.translation import gettext as translated
from django.utils.translation import gettext_lazy as _

from .. import services
from ..exceptions import InvalidField
from ..models import SCOPES, ApiKey
from . import shown
from .pages import LookOnlyMixin, selected_ids

SCOPE_WORDS: Final = {
    "read": _("read – list and read jobs"),
    "create": _("create – ask for new jobs, erasures among them"),
    "cancel": _("cancel – cancel jobs"),
}
# What the service calls a value, and what the form does.
FORM_FIELDS: Final = {"lifetime": "lifetime_days"}

CREATED_BRIEFLY: Final = shown.column(shown.brief_moment, "created_at", _("created"))
EXPIRES_BRIEFLY: Final = shown.column(shown.brief_moment, "expires_at", _("expires"))
LAST_USED_BRIEFLY: Final = shown.column(shown.brief_moment, "last_used_at", _("last used"))
REVOKED_BRIEFLY: Final = shown.column(shown.brief_moment, "revoked_at", _("revoked"))
CREATED: Final = shown.column(shown.moment, "created_at", _("created"))
EXPIRES: Final = shown.column(shown.moment, "expires_at", _("expires"))
LAST_USED: Final = shown.column(shown.moment, "last_used_at", _("last used"))
REVOKED: Final = shown.column(shown.moment, "revoked_at", _("revoked"))
SCOPES_SHOWN: Final = shown.column(", ".join, "scopes", _("scopes"))


class NewKeyForm(forms.ModelForm):  # type: ignore[type-arg]
    """What a new key is to open; the service says what cannot be."""

    scopes = forms.MultipleChoiceField(
        label=_("Scopes"),
        choices=[(scope, SCOPE_WORDS[scope]) for scope in SCOPES],
        initial=["read"],
        widget=forms.CheckboxSelectMultiple,
    )
    lifetime_days = forms.IntegerField(
        label=_("Lifetime in days"), help_text=_("Empty: it works until it is revoked."), required=False
    )

    class Meta:
        model = ApiKey
        fields = ("organization", "project", "name", "scopes")
        help_texts = {
            "project": _("Empty: it opens every project of the organization."),
            "name": _("Who uses it and what for, so that it can be told from others."),
        }

    def wanted(self) -> dict[str, Any]:
        """Return the arguments of the service; the form must have no errors so far."""
        days = self.cleaned_data["lifetime_days"]  # any integer; beyond what a timedelta holds, refused all the same
        return {
            "organization": self.cleaned_data["organization"],
            "project": self.cleaned_data["project"],
            "scopes": self.cleaned_data["scopes"],
            "lifetime": None if days is None else timedelta(days=max(0, min(days, 999_999))),
        }

    def clean(self) -> dict[str, Any]:
        """Ask the service."""
        if not self.errors:
            try:
                services.check_api_key(**self.wanted())
            except InvalidField as refused:
                self.add_error(FORM_FIELDS.get(refused.field, refused.field), refused.problem)
        return self.cleaned_data


class ApiKeyAdminMixin(LookOnlyMixin):
    """All that the keys' pages do; mix it with the ``ModelAdmin`` of your theme."""

    list_display = (
        "prefix",
        "state",
        "organization",
        "project",
        SCOPES_SHOWN,
        "name",
        CREATED_BRIEFLY,
        EXPIRES_BRIEFLY,
        LAST_USED_BRIEFLY,
        REVOKED_BRIEFLY,
        "created_by",
    )
    list_select_related = ("organization", "project", "created_by")
    list_per_page = 50
    list_max_show_all = 50
    search_fields = ("prefix", "name", "organization__name")
    search_help_text = _("Finds keys by their first characters, a part of their name or their organization's name.")
    actions: Sequence[Any] = ("revoke_selected",)
    autocomplete_fields = ("organization",)
    raw_id_fields = ("project",)
    new_fields = ("organization", "project", "name", "scopes", "lifetime_days")
    shown_fields = (
        ("prefix", "state"),
        ("organization", "project"),
        ("name", SCOPES_SHOWN),
        (CREATED, "created_by"),
        (EXPIRES, REVOKED),
        LAST_USED,
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return all keys; the database's clock says which have expired."""
        is_expired = Q(expires_at__isnull=False, expires_at__lte=Now())
        keys: QuerySet[Any] = super().get_queryset(request).annotate(is_expired=is_expired)
        return keys

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what is asked for a new key, or shown of one."""
        return self.shown_fields if obj else self.new_fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return all that is shown of a key."""
        rows = self.shown_fields if obj else ()
        return [field for row in rows for field in (row if isinstance(row, tuple) else (row,))]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Ask with our form; a key's page needs none."""
        return super().get_form(request, obj, change, **({} if obj else {"form": NewKeyForm}), **kwargs)

    def get_autocomplete_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Complete the project too, where the host's admin of projects can be searched; else its id is typed."""
        projects = self.admin_site._registry.get(services.get_project_model())
        can_search = projects is not None and projects.get_search_fields(request)
        return ("organization", "project") if can_search else ("organization",)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Whether this user may revoke keys: the permission to change them, of which nothing else is left."""
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")

    @admin.display(description=_("state"))
    def state(self, key: Any) -> str:
        """Return whether the key works, as mark and word."""
        if key.revoked_at is not None:
            mark, word, kind = "⊘", _("revoked"), "cancelled"
        elif key.is_expired:
            mark, word, kind = "○", _("expired"), "scheduled"
        else:
            mark, word, kind = "✓", _("valid"), "completed"
        markup = '<span class="jobs-status jobs-status-{}"><span aria-hidden="true">{}</span> {}</span>'
        return format_html(markup, kind, mark, word)

    def button_urls(self) -> list[URLPattern]:
        """Add the address behind the button."""
        return [*super().button_urls(), self.button_url("revoke", self.revoke_view)]

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        """Show the key with its button; a new one is saved in one way only."""
        context |= {"show_save_and_add_another": False, "show_save_and_continue": False}
        if obj is not None and obj.revoked_at is None and self.has_revoke_permission(request):
            context["revoke_url"] = self.url_of("revoke", quote(obj.pk))
        return super().render_change_form(request, context, add, change, form_url, obj)

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> ApiKey:
        """Make the key through the service; its secret stays with this object until the answer is written."""
        made = services.create_api_key(**form.wanted(), name=form.cleaned_data["name"], created_by=request.user)
        made.key.secret = made.secret  # type: ignore[attr-defined]
        return made.key

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Do nothing: the service has stored it."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Do nothing: there is none."""

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        """Show the secret in this answer and nowhere else: no redirect could carry it without storing it."""
        context = {
            **self.admin_site.each_context(request),
            "title": translated("The new API key"),
            "opts": self.opts,
            "media": self.media,
            "has_view_permission": self.has_view_permission(request),
            "original": obj,
            "secret": obj.secret,
        }
        request.current_app = self.admin_site.name
        no_store = {"Cache-Control": "no-store"}
        return TemplateResponse(request, "admin/jobs/apikey/created.html", context, headers=no_store)

    @admin.action(permissions=["revoke"], description=_("Revoke selected API keys"))
    def revoke_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Revoke the ticked keys."""
        for key in ApiKey.objects.filter(pk__in=selected_ids(request)):
            self._revoke(request, key)

    def revoke_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Revoke one key, and show its page again."""
        if not (self.has_view_permission(request) and self.has_revoke_permission(request)):
            raise PermissionDenied
        key = self.get_object(request, unquote(object_id))
        if key is None:
            raise Http404
        if request.method == "POST":
            self._revoke(request, key)
        return self.to_page_of(key)

    def _revoke(self, request: HttpRequest, key: ApiKey) -> None:
        if key.revoked_at is not None:
            words = translated("The key %(key)s was revoked before.") % {"key": key}
            self.message_user(request, words, messages.WARNING)
            return
        revoked = services.revoke_api_key(key.prefix)
        self.log_change(request, revoked, translated("Revoked."))
        words = translated("The key %(key)s is revoked; its next request will be refused.") % {"key": key}
        self.message_user(request, words, messages.SUCCESS)


@admin.register(ApiKey)
class ApiKeyAdmin(ApiKeyAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    """API keys in Django's own admin."""
