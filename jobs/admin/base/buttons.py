"""The base of every admin page here: extra views, each behind a button, that call services."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from itertools import product
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import quote, unquote
from django.contrib.auth import get_permission_codename
from django.core.exceptions import ImproperlyConfigured, PermissionDenied, ValidationError
from django.db import connections, models, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import SimpleTemplateResponse, TemplateResponse
from django.urls import URLPattern, path, reverse

from ...logging import reported_without_values

# The mixins' base: for the type checker the admin's class, at run time nothing, so that hosts may mix them with
# the ModelAdmin of their theme.
if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = object


class RowField(forms.ModelChoiceField):  # type: ignore[type-arg]  # takes none at run time
    """A choice of a row that shows nothing for a value that no row can have; Django's widgets raise for it."""

    def prepare_value(self, value: Any) -> Any:
        try:
            if not isinstance(value, models.Model):
                cast("Any", self.queryset).model._meta.pk.clean(value, None)
        except ValidationError:
            return None
        return super().prepare_value(value)


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
        for url in urls:
            url.callback = _without_values(url.callback)
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

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        return super().formfield_for_foreignkey(db_field, request, **{"form_class": RowField, **kwargs})

    def form_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Return what the page of ``row`` needs beside Django's context; ``row`` is None on the page that adds one."""
        return {}

    def page(self, request: HttpRequest, template: str, *, title: str, **context: Any) -> TemplateResponse:
        """Return a page in Django's style; its template extends ``admin/jobs/page.html``.

        ``original``, by default the title, is the last part of the breadcrumbs.
        """
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "subtitle": None,
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
        return HttpResponseRedirect(self.url_of("change", quote(row.pk)))

    def to_list(self, request: HttpRequest) -> HttpResponseRedirect:
        """Redirect to the list, or to the index for those who may not view the list."""
        if self.has_view_permission(request):
            return HttpResponseRedirect(self.url_of("changelist"))
        return HttpResponseRedirect(reverse(f"{self.admin_site.name}:index"))

    def _url_name(self, page: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{page}"


class OwnFiltersMixin(ButtonsMixin):
    """A list that can be filtered by its own filters only."""

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Refuse any other column in a URL: it would be an unbounded search, or a value that Django fails on."""
        return lookup in {getattr(choice, "parameter_name", None) for choice in self.list_filter}


def _without_values(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Let reports of an error in ``view``, or in its page, have no local variables and nothing that was typed."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        with _report(request):
            response = view(request, *args, **kwargs)
        if isinstance(response, SimpleTemplateResponse):
            response.render = _rendering(request, response.render)  # type: ignore[method-assign]  # Django calls it later
        return response

    return guarded


def _rendering(request: HttpRequest, render: Callable[[], Any]) -> Callable[[], Any]:
    def guarded() -> Any:
        with _report(request):
            return render()

    return guarded


@contextmanager
def _report(request: HttpRequest) -> Iterator[None]:
    try:
        with reported_without_values():
            yield
    except Exception:
        request.POST = request.GET = QueryDict()
        request.META |= {"QUERY_STRING": "", "HTTP_REFERER": ""}  # a search names a reference
        raise
