"""Read-only admin pages: nobody edits a row; staff change it by actions and buttons that call services."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from ...actors import Actor
from ...http import request_id_of
from ...services.search.staff_filter import parse_id
from .buttons import OwnFiltersMixin


def actor_of(request: HttpRequest) -> Actor:
    """Return the user as the actor of an event: by primary key, as user names may be e-mail addresses."""
    return Actor(kind="staff", name=str(request.user.pk), request_id=request_id_of(request))


def selected_ids(request: HttpRequest) -> list[int]:
    """Return the ids that were ticked in the list, ascending."""
    ticked = map(parse_id, request.POST.getlist(ACTION_CHECKBOX_NAME))
    return sorted({row_id for row_id in ticked if row_id is not None})


def selects_all(request: HttpRequest) -> bool:
    """Whether an action was sent for all rows that match, not only the ticked ones."""
    return bool(forms.BooleanField(required=False).to_python(request.POST.get("select_across")))


class ReadOnlyMixin(OwnFiltersMixin):
    """A list and a page without editing; each action and button has a permission of its own."""

    list_per_page = 50
    list_max_show_all = 50
    show_facets = admin.ShowFacets.NEVER
    view_on_site = False

    # Superusers may not change rows either.
    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list or run an action; refuse a POST of a user who has no action."""
        if request.method == "POST" and self.has_view_permission(request) and not self.get_actions(request):
            raise PermissionDenied
        title = {"title": capfirst(self.opts.verbose_name_plural)}
        return super().changelist_view(request, {**title, **(extra_context or {})})

    def refuses_all_that_match(self, request: HttpRequest) -> bool:
        """Whether actions take ticked rows only."""
        return True

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        """Run an action on the ticked rows, or on all that match where the list allows it."""
        if selects_all(request) and self.refuses_all_that_match(request):
            problem = _("Nothing was changed: only rows that are ticked can be chosen, not all that match.")
        elif len(selected_ids(request)) != len(set(request.POST.getlist(ACTION_CHECKBOX_NAME))):
            problem = _("Nothing was changed: there are no such rows.")
        else:
            return super().response_action(request, queryset, *args, **kwargs)
        self.message_user(request, problem, messages.ERROR)
        return HttpResponseRedirect(request.get_full_path())
