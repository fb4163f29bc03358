"""What all our pages have in common: nobody edits a row; staff look, and step in through services."""

import re
from collections.abc import Callable
from itertools import product
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import quote
from django.core.exceptions import PermissionDenied
from django.db import connections, models, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from ..actors import Actor
from ..envelope import request_id_of
from ..models import BIGGEST_ID

# A mixin's base: for the type checker the admin's class, at run time nothing, so that hosts may mix it with
# the ModelAdmin of their theme.
if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = object

DIGITS: Final = re.compile(r"[0-9]{1,19}")


def parse_id(text: str) -> int | None:
    """Return the primary key that ``text`` names, or None if no row can have it."""
    number = int(text) if DIGITS.fullmatch(text) else 0
    return number if 0 < number <= BIGGEST_ID else None


def staff(request: HttpRequest) -> Actor:
    """Return who asks, as it stands in a job's events: by primary key, as user names may be e-mail addresses."""
    return Actor(kind="staff", name=str(request.user.pk), request_id=request_id_of(request))


def selected_ids(request: HttpRequest) -> list[int]:
    """Return the ids that were ticked in the list, ascending."""
    ticked = map(parse_id, request.POST.getlist(ACTION_CHECKBOX_NAME))
    return sorted({row_id for row_id in ticked if row_id is not None})


class LookOnlyMixin(ModelAdmin):
    """A list and a page that change nothing; what may be done is an action or a button with its own permission."""

    show_facets = admin.ShowFacets.NEVER
    view_on_site = False

    class Media:
        css = {"all": ("jobs/admin.css",)}

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse everybody, superusers too."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse everybody, superusers too."""
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Allow the list's own filters in an address and nothing else: any column would be an unbounded search."""
        return lookup in {getattr(choice, "parameter_name", None) for choice in self.list_filter}

    def button_urls(self) -> list[URLPattern]:
        """Return the addresses behind the buttons of a row's page; see :meth:`button_url`."""
        return []

    def button_url(self, name: str, view: Callable[[HttpRequest, str], HttpResponse]) -> URLPattern:
        """Return ``<id>/<name>/`` for a view of staff that is handed the id as it stands in the address."""
        full_name = f"{self.opts.app_label}_{self.opts.model_name}_{name}"
        return path(f"<path:object_id>/{name}/", self.admin_site.admin_view(view), name=full_name)

    def get_urls(self) -> list[URLPattern]:
        """Keep ``ATOMIC_REQUESTS`` off: services own their transactions, and each change commits by itself."""
        urls = [*self.button_urls(), *super().get_urls()]
        for url, alias in product(urls, connections):
            transaction.non_atomic_requests(using=alias)(url.callback)
        return urls

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list, or run an action; a POST of somebody who has none is refused."""
        if request.method == "POST" and self.has_view_permission(request) and not self.get_actions(request):
            raise PermissionDenied
        title = {"title": capfirst(self.opts.verbose_name_plural)}
        return super().changelist_view(request, {**title, **(extra_context or {})})

    def refuses_all_that_match(self, request: HttpRequest) -> bool:
        """Whether only ticked rows can be chosen: of most lists nobody needs more."""
        return True

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        """Run an action on ticked rows; all that match only where the list promises it."""
        is_all = forms.BooleanField(required=False).to_python(request.POST.get("select_across"))
        if is_all and self.refuses_all_that_match(request):
            problem = _("Nothing was changed: only rows that are ticked can be chosen, not all that match.")
        elif len(selected_ids(request)) != len(set(request.POST.getlist(ACTION_CHECKBOX_NAME))):
            problem = _("Nothing was changed: there are no such rows.")
        else:
            return super().response_action(request, queryset, *args, **kwargs)
        self.message_user(request, problem, messages.ERROR)
        return HttpResponseRedirect(request.get_full_path())

    def url_of(self, page: str, *args: Any) -> str:
        """Return the address of one of this model's pages, e.g. ``change``."""
        name = f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_{page}"
        return reverse(name, args=args)

    def to_page_of(self, row: models.Model) -> HttpResponseRedirect:
        """Lead back to the page of ``row``."""
        return HttpResponseRedirect(self.url_of("change", quote(row.pk)))
