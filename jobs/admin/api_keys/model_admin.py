"""The admin of API keys: create one and see its secret once, replace it, revoke it; none is edited or deleted."""

from typing import Any, Final

from django.contrib import admin
from django.contrib.admin.utils import flatten, quote
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from ...models import ApiKey
from ...services.tenants.api_keys import IS_EXPIRED, create_api_key, find_replacement
from ..base import display
from ..base.display import CREATED, CREATED_BRIEFLY, NAME, ORGANIZATION
from ..base.forms import ServiceFormMixin
from .buttons import KeyButtonsMixin
from .forms import NewKeyForm

EXPIRES_BRIEFLY: Final = display.column(display.brief_moment, "expires_at", _("expires"))
LAST_USED_BRIEFLY: Final = display.column(display.brief_moment, "last_used_at", _("last used"))
PROJECT: Final = display.column(display.named, "project", _("project"))
CREATED_BY: Final = display.column(display.named, "created_by", _("created by"))
PREFIX: Final = display.column(str, "prefix", _("first characters"))
EXPIRES: Final = display.column(display.moment, "expires_at", _("expires"))
LAST_USED: Final = display.column(display.moment, "last_used_at", _("last used"))
REVOKED: Final = display.column(display.moment, "revoked_at", _("revoked"))
SCOPES_SHOWN: Final = display.column(", ".join, "scopes", _("scopes"))


class ApiKeyAdminMixin(ServiceFormMixin, KeyButtonsMixin):
    """The pages of API keys; mix it with the ``ModelAdmin`` of your theme."""

    list_display = (
        PREFIX,
        "state",
        ORGANIZATION,
        PROJECT,
        SCOPES_SHOWN,
        NAME,
        CREATED_BRIEFLY,
        EXPIRES_BRIEFLY,
        LAST_USED_BRIEFLY,
        CREATED_BY,
    )
    list_select_related = ("organization", "project", "created_by")
    search_fields = ("prefix", "name", "organization__name")
    search_help_text = _("Finds keys by their first characters, a part of their name or their organization's name.")
    autocomplete_fields = ("organization",)
    raw_id_fields = ("project",)
    new_fields = ("organization", "project", "name", "scopes", "lifetime_days")
    shown_fields: Any = (
        (PREFIX, "state"),
        (ORGANIZATION, PROJECT),
        (NAME, SCOPES_SHOWN),
        (CREATED, CREATED_BY),
        (EXPIRES, REVOKED),
        (LAST_USED,),
        ("made_to_replace", "replaced_by"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Add ``is_expired``, by the database's clock."""
        keys: QuerySet[Any] = super().get_queryset(request).annotate(is_expired=IS_EXPIRED)
        return keys

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.shown_fields if obj else self.new_fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return flatten(self.shown_fields) if obj else ()

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, **({} if obj else {"form": NewKeyForm}), **kwargs)

    @admin.display(description=_("made to replace"))
    def made_to_replace(self, key: Any) -> str:
        return self._link_to(key.replaces)

    @admin.display(description=_("replaced by"))
    def replaced_by(self, key: Any) -> str:
        return self._link_to(find_replacement(key))

    @admin.display(description=_("state"))
    def state(self, key: Any) -> str:
        if key.revoked_at is not None:
            return display.state_mark("cancelled", "⊘", _("revoked"))
        if key.is_expired:
            return display.state_mark("scheduled", "○", _("expired"))
        return display.state_mark("completed", "✓", _("valid"))

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> ApiKey:
        """Create the key; its secret stays on this object until ``response_add`` shows it."""
        made = create_api_key(**form.arguments(), name=form.cleaned_data["name"], created_by=request.user)
        made.key.secret = made.secret  # type: ignore[attr-defined]  # on this object only, never a column
        return made.key

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        return self.show_secret(request, obj, obj.secret)

    def _link_to(self, key: ApiKey | None) -> str:
        if key is None:
            return display.NONE
        return format_html('<a href="{}">{}</a>', self.url_of("change", quote(key.pk)), key)


class ApiKeyAdmin(ApiKeyAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]  # takes none at run time
    """API keys in Django's own admin."""
