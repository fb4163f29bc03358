"""The base of every admin page here: extra views, each behind a button, that call services."""

from collections.abc import Callable
from itertools import product
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.utils import quote, unquote
from django.contrib.auth import get_permission_codename
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import connections, models, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

# The mixins' base: for the type checker the admin's class, at run time nothing, so that hosts may mix them with
# the ModelAdmin of their theme.
if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = object


class ButtonsMixin(ModelAdmin):
    """Adds views to a row's page; each has a permission of its own."""

    class Media:  # for all pages: if several mixins define Media, Django takes only the first
        css = {"all": ("jobs/admin.css",)}
        js = ("jobs/autocomplete.js",)

    def __init_subclass__(cls, **options: Any) -> None:
        """Refuse a class that names ``ModelAdmin`` before our mixin: staff could then edit read-only rows."""
        super().__init_subclass__(**options)
        order = cls.__mro__
        if admin.ModelAdmin in order and order.index(admin.ModelAdmin) < order.index(ButtonsMixin):
            ours = next(base for base in cls.__bases__ if issubclass(base, ButtonsMixin))
            raise ImproperlyConfigured(f"{cls.__qualname__} must name {ours.__name__} before its ModelAdmin")

    def has_permission_to(self, verb: str, request: HttpRequest) -> bool:
        """Whether this user has the permission ``<app>.<verb>_<model>``."""
        return request.user.has_perm(f"{self.opts.app_label}.{get_permission_codename(verb, self.opts)}")

    def get_row(self, request: HttpRequest, object_id: str, *, may: bool) -> Any:
        """Return the row that a button's view changes; ``may`` says whether the user has the button's permission.

        Raises:
            PermissionDenied: ``may`` is false, or the user may not view such rows.
            Http404: there is no such row.
        """
        if not (may and self.has_view_permission(request)):
            raise PermissionDenied
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        return row

    def button_urls(self) -> list[URLPattern]:
        """Return the URLs of the extra views; see :meth:`button_url`."""
        return []

    def button_url(self, name: str, view: Callable[[HttpRequest, str], HttpResponse]) -> URLPattern:
        """Return ``<id>/<name>/`` for a view; its second argument is the id, quoted as in the URL."""
        return path(f"<path:object_id>/{name}/", self.admin_site.admin_view(view), name=self._url_name(name))

    def page_url(self, name: str, view: Callable[[HttpRequest], HttpResponse]) -> URLPattern:
        """Return ``<name>/`` for a view that is about no single row."""
        return path(f"{name}/", self.admin_site.admin_view(view), name=self._url_name(name))

    def get_urls(self) -> list[URLPattern]:
        """Switch ``ATOMIC_REQUESTS`` off: services own their transactions, and each change commits by itself."""
        urls = [*self.button_urls(), *super().get_urls()]
        for url, alias in product(urls, connections):
            transaction.non_atomic_requests(using=alias)(url.callback)
        return urls

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        """Add :meth:`form_context` to what the template gets."""
        return super().render_change_form(
            request, context | self.form_context(request, obj), add, change, form_url, obj
        )

    def form_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Return what the page of ``row`` needs beside Django's context; ``row`` is None on the page that adds one."""
        return {}

    def page(self, request: HttpRequest, template: str, *, title: str, **context: Any) -> TemplateResponse:
        """Return a page in Django's style; its template extends ``admin/change_form.html``.

        That has the breadcrumbs, which differ between versions of Django; ``original``, by default the title,
        is their last part.
        """
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "original": title,
            "opts": self.opts,
            "media": self.media,
            "has_view_permission": self.has_view_permission(request),
            **context,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, template, context)

    def url_of(self, page: str, *args: Any) -> str:
        """Return the URL of one of this model's pages, e.g. ``change``."""
        return reverse(f"{self.admin_site.name}:{self._url_name(page)}", args=args)

    def to_page_of(self, row: models.Model) -> HttpResponseRedirect:
        """Redirect to the page of ``row``."""
        return HttpResponseRedirect(self.url_of("change", quote(row.pk)))

    def to_list(self, request: HttpRequest) -> HttpResponseRedirect:
        """Redirect to the list, or to the index for those who may not view the list."""
        if self.has_view_permission(request):
            return HttpResponseRedirect(self.url_of("changelist"))
        return HttpResponseRedirect(reverse(f"{self.admin_site.name}:index"))

    def _url_name(self, page: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{page}"
