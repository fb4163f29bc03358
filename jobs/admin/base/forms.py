"""Forms that call a service; a value that the service refuses is an error of its field."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final, cast

from django import forms
from django.db import models
from django.http import HttpRequest
from django.utils.translation import gettext as translated
from django.utils.translation import gettext_noop as noop

from ...actions import all_actions
from ...actors import Actor
from ...exceptions import Busy, ConcurrentChange, InvalidField
from ...services.tenants.projects import get_project_model
from .buttons import ButtonsMixin

# Problems that services report, listed so that `makemessages` collects them; one that holds a name or a number is
# shown in English.
PROBLEMS: Final = (
    noop("is not an action known here"),
    noop("is not of this organization"),
    noop("must be a finite number"),
    noop("must be above 0 and at most 36,500 days"),
    noop("must be an object"),
    noop("must be at most 1000 characters"),
    noop("must be at most 256 bytes of UTF-8"),
    noop("must be at most 500 characters"),
    noop("must be before the year 9999"),
    noop("must not be blank"),
    noop("must not contain NUL or lone surrogates"),
    noop("must not contain control characters or lone surrogates"),
)


class ServiceForm(forms.ModelForm):  # type: ignore[type-arg]  # takes none at run time
    """A form whose new row is created by :meth:`call_service`, not by Django."""

    # Set for each request by `form_of`.
    actor: ClassVar[Actor]
    # The form's name of a field by the service's, where they differ.
    form_fields: ClassVar[Mapping[str, str]] = {}
    # Set once the form is valid.
    created: models.Model

    def call_service(self) -> models.Model:
        """Return the row that the service created of the form's values."""
        raise NotImplementedError  # each form has its own service; Django's metaclass takes no ABC

    def clean(self) -> dict[str, Any]:
        if not self.errors:
            try:
                self.created = self.call_service()
            except InvalidField as refused:
                self.add_problem(refused)
            except (Busy, ConcurrentChange):
                self.add_error(
                    None, translated("Another change came in between. Nothing was changed; please try again.")
                )
        return self.cleaned_data

    def add_problem(self, refused: InvalidField) -> None:
        """Show what the service refused, with its path if it is a part of the field's value."""
        whole = refused.field.partition(".")[0].partition("[")[0]
        name = self.form_fields.get(whole, whole)
        path = "" if refused.field == whole else f"{refused.field}: "
        self.add_error(name if name in self.fields else None, path + translated(refused.problem))

    def _post_clean(self) -> None:
        """Build no instance: the service has stored the row."""


def form_of(form: type[ServiceForm], actor: Actor, **attributes: Any) -> type[ServiceForm]:
    """Return the form class for one request of ``actor``, with further class attributes."""
    return cast("type[ServiceForm]", type(form.__name__, (form,), {"actor": actor, **attributes}))


def action_choices() -> list[tuple[str, str]]:
    """Return the registered actions, also those that are not public, as a form offers them."""
    return [("", "---------"), *((action.name, action.name) for action in all_actions())]


class ServiceFormMixin(ButtonsMixin):
    """For pages that add rows by a :class:`ServiceForm`."""

    def form_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Offer one way to save: a new row is shown, and cannot be edited."""
        only_save = {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().form_context(request, row) | only_save

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        return form.created

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Do nothing: the service has stored it."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Do nothing: there is none."""

    def get_autocomplete_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Complete the project where the host's admin can search projects; elsewhere its id is typed."""
        projects = self.admin_site._registry.get(get_project_model())
        can_search = projects is not None and bool(projects.get_search_fields(request))
        return (*self.autocomplete_fields, "project") if can_search else tuple(self.autocomplete_fields)
