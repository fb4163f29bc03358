"""Buttons of an API key's page: replace it, with an overlap, or revoke it; and the action that revokes many."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import quote
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.translation import gettext as translated
from django.utils.translation import gettext_lazy as _

from ...db.connection import jobs_connection
from ...exceptions import ApiKeyNotFound, InvalidField
from ...models import ApiKey
from ...services.tenants.api_keys import find_replacement, revoke_api_key, rotate_api_key
from ..base import display
from ..base.read_only import ReadOnlyMixin, selected_ids
from .forms import ReplaceForm


class KeyButtonsMixin(ReadOnlyMixin):
    """Views that replace and revoke keys."""

    actions: Sequence[Any] = ("revoke_selected",)

    def has_rotate_permission(self, request: HttpRequest) -> bool:
        """Whether this user may replace keys (``jobs.rotate_apikey``), and so see the secret of the new one."""
        return self.has_permission_to("rotate", request)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Whether this user may revoke keys (``jobs.revoke_apikey``)."""
        return self.has_permission_to("revoke", request)

    def button_urls(self) -> list[URLPattern]:
        ours = [self.button_url("rotate", self.rotate_view), self.button_url("revoke", self.revoke_view)]
        return [*super().button_urls(), *ours]

    def form_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        buttons = super().form_context(request, row)
        if row is None:
            return buttons
        if row.revoked_at is None and self.has_revoke_permission(request):
            buttons["revoke_url"] = self.url_of("revoke", quote(row.pk))
        is_valid = row.revoked_at is None and not row.is_expired
        if is_valid and self.has_rotate_permission(request) and find_replacement(row) is None:
            buttons |= {"rotate_url": self.url_of("rotate", quote(row.pk)), "replace_form": ReplaceForm()}
        return buttons

    def show_secret(self, request: HttpRequest, key: ApiKey, secret: str, *, old: Any = None) -> HttpResponse:
        """Show the secret in this response: a redirect could not carry it without storing it.

        It is rendered here, in the transaction that stores the key: an error of a template, which a
        theme may have, leaves no key behind whose secret nobody has seen.
        """
        response = self.page(
            request,
            "admin/jobs/apikey/created.html",
            title=translated("The new API key"),
            original=key,
            secret=secret,
            old=old,
            old_ends=None if old is None or old.is_expired else display.moment(old.expires_at),
        )
        response["Cache-Control"] = "no-store"
        return response.render()

    def rotate_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Replace one key, and show the secret of the new one."""
        key = self.get_row(request, object_id, may=self.has_rotate_permission(request))
        form = ReplaceForm(request.POST)
        # A GET comes from the login page after an expired session: the user presses the button again.
        if request.method != "POST":
            return self.to_page_of(key)
        if not form.is_valid():
            self.message_user(request, " ".join(map(str, form.errors["overlap_hours"])), messages.ERROR)
            return self.to_page_of(key)
        try:
            with transaction.atomic(using=jobs_connection().alias):
                return self._replace(request, key, timedelta(hours=form.cleaned_data["overlap_hours"]))
        except (InvalidField, ApiKeyNotFound):
            words = translated("The key %(key)s was not replaced: it no longer works, or was replaced before.")
            self.message_user(request, words % {"key": key}, messages.WARNING)
            return self.to_page_of(key)

    def _replace(self, request: HttpRequest, key: ApiKey, overlap: timedelta) -> HttpResponse:
        made = rotate_api_key(key.prefix, overlap=overlap, created_by=request.user)
        self.log_change(request, key, translated("Replaced by %(key)s.") % {"key": made.key})
        self.log_addition(request, made.key, translated("Made to replace %(key)s.") % {"key": key})
        return self.show_secret(request, made.key, made.secret, old=self.get_queryset(request).get(pk=key.pk))

    @admin.action(permissions=["revoke"], description=_("Revoke selected API keys"))
    def revoke_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Ask for confirmation; revoke the ticked keys once it was given."""
        keys = self.get_queryset(request).filter(pk__in=selected_ids(request)).order_by("pk")
        if "confirmed" in request.POST:
            for key in keys:
                self._revoke(request, key)
            return None
        title = translated("Revoke API keys")
        return self.page(request, "admin/jobs/apikey/revoke_selected.html", title=title, keys=keys)

    def revoke_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        key = self.get_row(request, object_id, may=self.has_revoke_permission(request))
        if request.method == "POST":
            self._revoke(request, key)
        return self.to_page_of(key)

    def _revoke(self, request: HttpRequest, key: ApiKey) -> None:
        if key.revoked_at is not None:
            words = translated("The key %(key)s was revoked before.") % {"key": key}
            self.message_user(request, words, messages.WARNING)
            return
        revoked = revoke_api_key(key.prefix)
        self.log_change(request, revoked, translated("Revoked."))
        words = translated("The key %(key)s is revoked; its next request will be refused.") % {"key": key}
        self.message_user(request, words, messages.SUCCESS)
