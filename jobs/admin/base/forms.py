"""Forms whose values a service judges: what it refuses is told at the field that holds it."""

from collections.abc import Mapping
from typing import Any, ClassVar, cast

from django import forms
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as translated

from ...actions import all_actions
from ...actors import Actor
from ...exceptions import Busy, ConcurrentChange, InvalidField
from ...services.tenants.projects import get_project_model
from .buttons import ButtonsMixin


class AskingForm(forms.ModelForm):  # type: ignore[type-arg]  # takes none at run time
    """A new row, made by the service that ``ask`` calls; Django's own way of saving it is left out."""

    # Who asks; set for each request by `asked_by`.
    actor: ClassVar[Actor]
    # What the service calls a value, and what the form does.
    form_fields: ClassVar[Mapping[str, str]] = {}
    # What the service made; set once the form is valid.
    made: models.Model

    def ask(self) -> models.Model:
        """Call the service with the values of the form."""
        raise NotImplementedError  # each form has its own service; Django's metaclass takes no ABC

    def clean(self) -> dict[str, Any]:
        """Ask, unless the form itself has found a mistake."""
        if not self.errors:
            try:
                self.made = self.ask()
            except InvalidField as refused:
                self.refuse(refused)
            except (Busy, ConcurrentChange):
                self.add_error(None, translated("Others were in the way just now. Nothing was changed; try again."))
        return self.cleaned_data

    def refuse(self, refused: InvalidField) -> None:
        """Tell what the service refused; a part of a value is told by its path."""
        whole = refused.field.partition(".")[0].partition("[")[0]
        name = self.form_fields.get(whole, whole)
        path = "" if refused.field == whole else f"{refused.field}: "
        self.add_error(name if name in self.fields else None, path + translated(refused.problem))

    def _post_clean(self) -> None:
        """Do nothing: what was asked for is stored, and no instance has to be built of it."""


def asked_by(form: type[AskingForm], actor: Actor, **more: Any) -> type[AskingForm]:
    """Return the form for one request of ``actor``, with what else it must know as class attributes."""
    return cast("type[AskingForm]", type(form.__name__, (form,), {"actor": actor, **more}))


def action_choices() -> list[tuple[str, str]]:
    """Return the registered actions, as a form offers them."""
    return [("", "---------"), *((action.name, action.name) for action in all_actions())]


class AsksServiceMixin(ButtonsMixin):
    """For pages that add rows by an :class:`AskingForm`."""

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        """Offer one way to save: a new row is then shown, and cannot be edited further."""
        context |= {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().render_change_form(request, context, add, change, form_url, obj)

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        """Return what the service has made."""
        return form.made

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Do nothing: the service has stored it."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Do nothing: there is none."""

    def completes_projects(self, request: HttpRequest) -> bool:
        """Whether projects can be completed: where the host's admin can search them; else their id is typed."""
        projects = self.admin_site._registry.get(get_project_model())
        return projects is not None and bool(projects.get_search_fields(request))
