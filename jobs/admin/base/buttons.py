"""Pages with buttons: each leads to a service, none is part of a transaction of the whole request."""

from collections.abc import Callable
from itertools import product
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.utils import quote, unquote
from django.contrib.auth import get_permission_codename
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import connections, models, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse

# A mixin's base: for the type checker the admin's class, at run time nothing, so that hosts may mix it with
# the ModelAdmin of their theme.
if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = object


class ButtonsMixin(ModelAdmin):
    """A row's page with buttons beside what Django has; what each may do is a permission of its own."""

    class Media:  # for all pages: of several mixins' Django takes the first alone
        css = {"all": ("jobs/admin.css",)}
        js = ("jobs/autocomplete.js",)

    def __init_subclass__(cls, **options: Any) -> None:
        """Refuse a class in which Django's methods would come before ours, and let staff edit what nobody may."""
        super().__init_subclass__(**options)
        order = cls.__mro__
        if admin.ModelAdmin in order and order.index(admin.ModelAdmin) < order.index(ButtonsMixin):
            ours = next(base for base in cls.__bases__ if issubclass(base, ButtonsMixin))
            raise ImproperlyConfigured(f"{cls.__qualname__} must name {ours.__name__} before its ModelAdmin")

    def has_permission_to(self, verb: str, request: HttpRequest) -> bool:
        """Whether this user has the permission ``<app>.<verb>_<model>``."""
        return request.user.has_perm(f"{self.opts.app_label}.{get_permission_codename(verb, self.opts)}")

    def get_row(self, request: HttpRequest, object_id: str, *, may: bool) -> Any:
        """Return the row behind a button.

        Raises:
            PermissionDenied: ``may`` is false, or the user may not look at such rows.
            Http404: there is none.
        """
        if not (may and self.has_view_permission(request)):
            raise PermissionDenied
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        return row

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

    def url_of(self, page: str, *args: Any) -> str:
        """Return the address of one of this model's pages, e.g. ``change``."""
        name = f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_{page}"
        return reverse(name, args=args)

    def to_page_of(self, row: models.Model) -> HttpResponseRedirect:
        """Lead back to the page of ``row``."""
        return HttpResponseRedirect(self.url_of("change", quote(row.pk)))

    def to_list(self, request: HttpRequest) -> HttpResponseRedirect:
        """Lead to the list of rows; those who may not see it, to the start of the site."""
        if self.has_view_permission(request):
            return HttpResponseRedirect(self.url_of("changelist"))
        return HttpResponseRedirect(reverse(f"{self.admin_site.name}:index"))
