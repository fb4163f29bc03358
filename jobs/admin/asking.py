"""Forms whose values a service judges: what it refuses is told at the field that holds it."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.db import models
from django.utils.translation import gettext as translated

from .. import services
from ..actions import all_actions
from ..actors import Actor
from ..exceptions import Busy, ConcurrentChange, InvalidField


class AskingForm(forms.ModelForm):  # type: ignore[type-arg]
    """A new row, made by the service that ``ask`` calls; Django's own way of saving it is left out."""

    # Who asks; set for each request by `asked_by`.
    actor: ClassVar[Actor]
    # What the service calls a value, and what the form does.
    form_fields: ClassVar[Mapping[str, str]] = {}
    # What the service made; set once the form is valid.
    made: models.Model

    def ask(self) -> models.Model:
        """Call the service with the values of the form."""
        raise NotImplementedError

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


def asked_by(form: type[AskingForm], actor: Actor) -> type[AskingForm]:
    """Return the form for one request of ``actor``."""
    return type(form)(form.__name__, (form,), {"actor": actor, "__module__": form.__module__})


def action_choices() -> list[tuple[str, str]]:
    """Return the registered actions, as a form offers them."""
    return [("", "---------"), *((action.name, action.name) for action in all_actions())]


class AsksServiceMixin:
    """For pages that add rows by an :class:`AskingForm`."""

    admin_site: Any

    def save_form(self, request: Any, form: AskingForm, change: bool) -> Any:
        """Return what the service has made."""
        return form.made

    def save_model(self, request: Any, obj: Any, form: Any, change: bool) -> None:
        """Do nothing: the service has stored it."""

    def save_related(self, request: Any, form: Any, formsets: Any, change: bool) -> None:
        """Do nothing: there is none."""

    def completes_projects(self, request: Any) -> bool:
        """Whether projects can be completed: where the host's admin can search them; else their id is typed."""
        projects = self.admin_site._registry.get(services.get_project_model())
        return projects is not None and bool(projects.get_search_fields(request))
